import type { ErrorCode } from './error-codes.js'
import type { ConvoyError } from './errors.js'

/** What a process of `convoy …` that fails sends to the process that started it, if that listens. */
export interface FailureMessage {
  readonly kind: 'failed'
  readonly code: ErrorCode
  /** Of the message. */
  readonly lines: readonly string[]
}

/** Tells the process that started this one, such as a program that uses the library, what this one fails with. */
export function sendFailure({ code, lines }: ConvoyError): void {
  passOnFailure({ kind: 'failed', code, lines })
}

/** As {@link sendFailure}, for the failure of a process that this one started. */
export function passOnFailure(message: FailureMessage): void {
  if (process.connected) process.send!(message, () => undefined)
}
