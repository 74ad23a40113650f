import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { MetricsLine } from '../reporting/sinks/metrics-line.js'
import type { ErrorCode } from '../shared/error-codes.js'
import { ConvoyError } from '../shared/errors.js'
import type { FailureMessage } from '../shared/failure-message.js'
import { packageRoot } from '../shared/package-root.js'
import { standardError } from '../shared/terminal.js'
import { followMetrics } from './follow-metrics.js'

/** Of standard error, for the message of a failure. */
const KEPT_CHARACTERS = 10_000

/** `convoy …` in a process of its own. */
export class ConvoyProcess {
  /** Its standard output, once it has ended. Rejects with the ConvoyError that it failed with. */
  readonly done: Promise<string>
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #failure: FailureMessage | undefined
  #stdout = ''
  #stderr = ''
  #isStopped = false

  /** @param args of `convoy` @param isShown whether its lines go to standard error */
  constructor(args: readonly string[], isShown: boolean) {
    const program = path.join(packageRoot, 'bin', 'convoy.mjs')
    this.#child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      if (isShown) standardError.print(text)
      this.#stderr = (this.#stderr + text).slice(-KEPT_CHARACTERS)
    })
    this.#child.on('message', (message) => {
      this.#failure = message as FailureMessage
    })
    this.done = once(this.#child, 'close').then(([status, signal]) =>
      this.#outcome(status as number | null, signal as NodeJS.Signals | null),
    )
    this.#ended = this.done.catch(() => undefined)
  }

  /** Ends it as SIGTERM does; settles when it has. */
  async stop(): Promise<void> {
    // A second signal would end it at once.
    if (!this.#isStopped) this.#child.kill('SIGTERM')
    this.#isStopped = true
    await this.#ended
  }

  /**
   * The lines of metrics.jsonl as they are written, to the end of the process. Each iterator gets all of them.
   * @param runDirectory undefined before the run has one
   * @throws the ConvoyError that it failed with
   */
  async *events(runDirectory: () => string | undefined): AsyncGenerator<MetricsLine> {
    yield* followMetrics({ runDirectory, ended: this.#ended })
    await this.done
  }

  #outcome(status: number | null, signal: NodeJS.Signals | null): string {
    if (this.#failure !== undefined) throw new ConvoyError(this.#failure.code, this.#failure.lines)
    // A check that failed, such as of an image that cannot be read, is part of the output.
    if (status === 0 || (status === 1 && this.#stdout !== '')) return this.#stdout
    const reason = this.#stderr.split('\n').findLast((line) => line.startsWith('✖ '))
    throw new ConvoyError(
      codeOf(status),
      reason?.slice(2) ?? `The process of Convoy ended with ${signal ?? `status ${status}`}. ${this.#stderr}`.trim(),
    )
  }
}

/** Of a process that could not say what it failed with. */
function codeOf(status: number | null): ErrorCode {
  if (status === 2) return 'usage'
  return status === 130 ? 'interrupted' : 'environment'
}
