import { ConvoyError } from './errors.js'

/** What Node prints when it ends itself because its heap is full. */
export const FULL_HEAP = /(?:JavaScript|JS) heap out of memory/

/**
 * Messages about failed allocations, from C++ (an exception), Node, the system, the loader of libraries and oneDNN (status 1 is
 * dnnl_out_of_memory).
 */
export const ALLOCATION_FAILED =
  /std::bad_alloc|Fatal process (?:OOM|out of memory)|cannot allocate memory|\bENOMEM\b|Status: 1, message: could not|failed to map segment from shared object(?!: (?:operation not permitted|permission denied))/i

export const MORE_HEAP =
  'allow more with NODE_OPTIONS=--max-old-space-size=<MB>, or remove the flag so that Node chooses the limit'

/** A resource that this process lacks, as opposed to a fault of a peer, a file or an installation. */
export interface Shortage {
  readonly of: 'memory' | 'open files'
  /** For the end of a sentence. */
  readonly remedy: string
}

/**
 * @param message of the system, of a library, or the output of a program
 * @returns undefined when the message is about something else
 */
export function shortageIn(message: string): Shortage | undefined {
  if (FULL_HEAP.test(message)) return { of: 'memory', remedy: MORE_HEAP }
  // TensorFlow's message. On a GPU it means the memory of the GPU.
  if (/OOM when allocating/.test(message)) return { of: 'memory', remedy: 'use smaller shards' }
  if (ALLOCATION_FAILED.test(message))
    return { of: 'memory', remedy: 'free some memory, or allow this process more (ulimit -v)' }
  if (/\b(?:EMFILE|ENFILE)\b|too many open files/i.test(message))
    return { of: 'open files', remedy: 'allow more open files (ulimit -n)' }
  return undefined
}

/** Explains why a coordinator was not reached. @param details of the gRPC status @returns a sentence */
export function describeUnreachable(address: string, details: string): string {
  const lacking = shortageIn(details)
  if (lacking === undefined) return `No coordinator answers at ${address}.`
  return `No connection can be made to ${address}: this process lacks ${lacking.of}; ${lacking.remedy}.`
}

const SHORTAGES = ['EMFILE', 'ENFILE', 'ENOMEM']

/**
 * Call it before blaming a file, its permissions or a peer for an error of the system.
 * @throws ConvoyError('environment') when this process lacks descriptors or memory; returns for any other error
 */
export function throwShortage(error: unknown): void {
  if (SHORTAGES.includes((error as NodeJS.ErrnoException | undefined)?.code ?? '')) throw ConvoyError.from(error)
}
