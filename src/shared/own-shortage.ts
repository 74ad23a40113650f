import { ConvoyError } from './errors.js'

/** What Node prints when it ends itself because its heap is full. */
export const FULL_HEAP = /(?:JavaScript|JS) heap out of memory/

/**
 * What is said where the system refuses memory: C++'s exception, Node's words, the system's, those of the loader of libraries, and those of
 * oneDNN, whose status 1 is dnnl_out_of_memory.
 */
export const MEMORY_REFUSED =
  /std::bad_alloc|Fatal process (?:OOM|out of memory)|cannot allocate memory|\bENOMEM\b|Status: 1, message: could not|failed to map segment from shared object(?!: (?:operation not permitted|permission denied))/i

export const MORE_HEAP =
  'allow more with NODE_OPTIONS=--max-old-space-size=<MB>, or set no limit: Node chooses one then'

/** Something that this process itself lacks: no fault of a peer, a file or an installation. */
export interface Shortage {
  readonly of: 'memory' | 'open files'
  /** For the end of a sentence. */
  readonly remedy: string
}

/**
 * @param message of the system, of a library, or the output of a program
 * @returns undefined: it speaks of something else
 */
export function shortageIn(message: string): Shortage | undefined {
  if (FULL_HEAP.test(message)) return { of: 'memory', remedy: MORE_HEAP }
  // TensorFlow's own, which on a GPU is the GPU's.
  if (/OOM when allocating/.test(message)) return { of: 'memory', remedy: 'use smaller shards' }
  if (MEMORY_REFUSED.test(message))
    return { of: 'memory', remedy: 'free some memory, or allow this process more (ulimit -v)' }
  if (/\b(?:EMFILE|ENFILE)\b|too many open files/i.test(message))
    return { of: 'open files', remedy: 'allow more open files (ulimit -n)' }
  return undefined
}

/** Why a coordinator was not reached. @param details of the gRPC status @returns a sentence */
export function whyNotReached(address: string, details: string): string {
  const lacking = shortageIn(details)
  if (lacking === undefined) return `No coordinator answers at ${address}.`
  return `No connection can be made to ${address}: this process lacks ${lacking.of}; ${lacking.remedy}.`
}

const SHORTAGES = ['EMFILE', 'ENFILE', 'ENOMEM']

/**
 * Before a file, its permissions or a peer are blamed for an error of the system.
 * @throws ConvoyError('environment') when this process lacks descriptors or memory; every other error is left to the caller
 */
export function throwShortage(error: unknown): void {
  if (SHORTAGES.includes((error as NodeJS.ErrnoException | undefined)?.code ?? '')) throw ConvoyError.from(error)
}
