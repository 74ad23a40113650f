/** What Node prints when it ends itself because its heap is full. */
export const FULL_HEAP = /(?:JavaScript|JS) heap out of memory/

/** What the system says when it refuses memory: C++'s exception, Node's words, the system's, and those of the loader of libraries. */
export const MEMORY_REFUSED =
  /std::bad_alloc|Fatal process (?:OOM|out of memory)|cannot allocate memory|\bENOMEM\b|failed to map segment from shared object(?!: (?:operation not permitted|permission denied))/i

export const MORE_HEAP =
  'allow more with NODE_OPTIONS=--max-old-space-size=<MB>, or set no limit: Node chooses one then'

/**
 * Whether a message speaks of what this process itself lacks: no fault of a peer, a file or an installation.
 * @param message of the system, of a library, or the output of a program
 * @returns the remedy, for the end of a sentence; undefined: it speaks of something else
 */
export function shortageRemedy(message: string): string | undefined {
  if (FULL_HEAP.test(message)) return MORE_HEAP
  if (MEMORY_REFUSED.test(message)) return 'free some memory, or allow this process more (ulimit -v)'
  if (/\b(?:EMFILE|ENFILE)\b|too many open files/i.test(message)) return 'allow more open files (ulimit -n)'
  return undefined
}
