import type { ErrorCode, ExitStatus } from './error-codes.js'
import { ERROR_CODES } from './error-codes.js'

/** Remedies for errors of the system that are not a bug of Convoy. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space on that disk',
  EDQUOT: 'free some space within your quota',
  EROFS: 'choose a writable place',
  EACCES: 'check the permissions there',
  EIO: 'check the disk, or the mount of its server',
  EMFILE: 'allow more open files (ulimit -n)',
  ENFILE: 'allow more open files on this machine',
  ENOMEM: 'free some memory',
}

/** The only error type that modules of Convoy throw to each other. `message` states the problem, its place and the remedy. */
export class ConvoyError extends Error {
  readonly code: ErrorCode
  /** The lines of the message. A name in it may contain a newline, which starts no new line when the message is shown. */
  readonly lines: readonly string[]
  readonly details: Readonly<Record<string, unknown>>

  /** @param message one line, or several; those after the first are indented */
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

  /** Wraps any thrown value; a ConvoyError passes through unchanged. */
  static from(thrown: unknown): ConvoyError {
    if (thrown instanceof ConvoyError) return thrown
    // An error from another thread keeps its properties but loses its class.
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
