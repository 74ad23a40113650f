import type { ErrorCode, ExitStatus } from './error-codes.js'
import { ERROR_CODES } from './error-codes.js'

/** What the system refuses for want of something: no bug of ours. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on that disk',
  EDQUOT: 'make room within your quota',
  EROFS: 'choose a place that can be written',
  EACCES: 'check who may read and write there',
  EMFILE: 'allow more open files (ulimit -n)',
  ENFILE: 'allow more open files on this machine',
  ENOMEM: 'free some memory',
}

/** The one error type that crosses a border inside Convoy. `message` says what, where, and what to do about it. */
export class ConvoyError extends Error {
  readonly code: ErrorCode
  /** The message, line by line: a name in it may hold a newline, and begins no line when it is shown. */
  readonly lines: readonly string[]
  readonly details: Readonly<Record<string, unknown>>

  /** @param message lines, where it is more than one: those after the first are indented */
  constructor(
    code: ErrorCode,
    message: string | readonly string[],
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    const lines = typeof message === 'string' ? [message] : message
    super(lines.join('\n  '), options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ConvoyError'
    this.code = code
    this.lines = lines
    this.details = options.details ?? {}
  }

  /** The process exit status that this error asks for. */
  get exitStatus(): ExitStatus {
    return ERROR_CODES[this.code].exitStatus
  }

  /** True when the text alone helps the user; a stack would only be noise. */
  get isExpected(): boolean {
    return this.code !== 'internal'
  }

  /** Wraps whatever was thrown; a ConvoyError passes through unchanged. */
  static from(thrown: unknown): ConvoyError {
    if (thrown instanceof ConvoyError) return thrown
    // One that crossed from another thread has its properties, and no longer its class.
    if (thrown instanceof Error && thrown.name === 'ConvoyError') {
      return new ConvoyError((thrown as ConvoyError).code, thrown.message, { cause: thrown })
    }
    if (thrown instanceof Error) {
      const remedy = REMEDIES[String((thrown as NodeJS.ErrnoException).code)]
      if (remedy === undefined) return new ConvoyError('internal', thrown.message, { cause: thrown })
      return new ConvoyError('environment', `${thrown.message}: ${remedy}.`, { cause: thrown })
    }
    return new ConvoyError('internal', String(thrown))
  }
}
