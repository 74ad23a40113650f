/**
 * Kinds of errors, for machines. A user's mistake exits 2 and shows no stack; everything else exits 1.
 *
 * | code            | meaning                                                            |
 * | --------------- | ------------------------------------------------------------------ |
 * | usage           | a flag, a config value or a path that the user must change          |
 * | data            | a data set or image file that cannot be used as it is               |
 * | environment     | something the machine lacks: compiler, driver, disk space, network  |
 * | incompatible    | two parts that cannot work together: version, fingerprint, protocol |
 * | unavailable     | a peer that cannot be reached (any more)                            |
 * | protocol        | a message that a correct peer would not have sent                   |
 * | training        | the run cannot continue: non-finite loss, shards that always fail      |
 * | interrupted     | the user asked to stop                                              |
 * | internal        | a bug in Convoy                                                     |
 */
export type ErrorCode =
  | 'usage'
  | 'data'
  | 'environment'
  | 'incompatible'
  | 'unavailable'
  | 'protocol'
  | 'training'
  | 'interrupted'
  | 'internal'

const EXIT_STATUS: Record<ErrorCode, number> = {
  usage: 2,
  data: 2,
  environment: 1,
  incompatible: 1,
  unavailable: 1,
  protocol: 1,
  training: 1,
  interrupted: 130,
  internal: 1,
}

/** Remedies for errors of the system that are not a bug of Convoy. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space on that disk',
  EDQUOT: 'free some space within your quota',
  EROFS: 'choose a writable place',
  EACCES: 'check the permissions there',
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
  get exitStatus(): number {
    return EXIT_STATUS[this.code]
  }

  /** True when the text alone helps the user; a stack would only be noise. */
  get isExpected(): boolean {
    return this.code !== 'internal'
  }

  /** Wraps whatever was thrown; a ConvoyError passes through unchanged. */
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
