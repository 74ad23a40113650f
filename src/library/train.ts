import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { AdminMethod, AdminReply } from '../coordinator/admin-client.js'
import { readAnnouncement } from '../coordinator/run-announcement.js'
import type { MetricsLine } from '../reporting/sinks/metrics-line.js'
import { ConvoyError } from '../shared/errors.js'
import type { RunResult } from '../training/run-events.js'
import { ConvoyProcess } from './convoy-process.js'
import { readResult } from './read-result.js'
import type { TrainOptions } from './train-options.js'
import { announcementIn, inTermsOfOptions, trainArgs } from './train-options.js'

const POLL_MS = 50

/**
 * A run that {@link train} started. Iterating it gives the lines of its `metrics.jsonl` as they are written, from the first one on, to each iterator; of a
 * run that is resumed also those from before. The iteration ends with the run, and throws what `result` rejects with.
 */
export interface TrainingRun extends AsyncIterable<MetricsLine> {
  /** The run directory, absolute, once the coordinator listens. Rejects as `result` does when the run ends before. */
  readonly directory: Promise<string>
  /**
   * The content of `result.json` when the run is over. Rejects with the ConvoyError of the run that fails, and with the reason of `signal`. Nobody has to await
   * it.
   */
  readonly result: Promise<RunResult>
  /** Ends the run after its current step: it is evaluated and saved, and `result` resolves. Does nothing after the end. */
  stop(): Promise<void>
  /** Lets the run make no step until it continues; a checkpoint is written. @returns steps that are done */
  pause(): Promise<{ readonly step: number }>
  /** Lets a paused run go on. @returns whether it was paused */
  continue(): Promise<{ readonly wasPaused: boolean }>
  /** Writes a checkpoint after the current step. */
  checkpoint(): Promise<{ readonly step: number; readonly directory: string }>
}

/**
 * Starts a training in processes of its own, as `convoy train` does. The program needs no native TensorFlow.
 *
 * @returns the run, at once; a mistake in the options rejects its `result` and its `directory`
 */
export function train(options: TrainOptions = {}): TrainingRun {
  return new StartedRun(options)
}

class StartedRun implements TrainingRun {
  readonly directory: Promise<string>
  readonly result: Promise<RunResult>
  readonly #options: TrainOptions
  /** For the time of the run. */
  readonly #scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-train-'))
  readonly #process: Promise<ConvoyProcess>
  #runDirectory: string | undefined
  #isOver = false

  constructor(options: TrainOptions) {
    this.#options = options
    this.#process = this.#start()
    this.result = this.#end().finally(() => {
      this.#isOver = true
      rmSync(this.#scratch, { recursive: true, force: true })
    })
    this.directory = this.#untilAnnounced()
    // Whoever awaits them gets the rejection.
    this.result.catch(() => undefined)
    this.directory.catch(() => undefined)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<MetricsLine> {
    const convoy = await this.#process.catch(async () => this.result as never)
    try {
      yield* convoy.events(() => this.#runDirectory)
    } catch (error) {
      await this.result
      throw error
    }
    // Of a run that was stopped by the signal.
    await this.result
  }

  async stop(): Promise<void> {
    if (!this.#isOver) await this.#call('stop')
  }

  async pause(): Promise<{ readonly step: number }> {
    const { step, checkpointFailure } = await this.#call('pause')
    if (checkpointFailure === '') return { step }
    throw new ConvoyError(
      'environment',
      `The run is paused after step ${step}, but its checkpoint cannot be written (${checkpointFailure}). Make room for it; checkpoint() tries again.`,
    )
  }

  async continue(): Promise<{ readonly wasPaused: boolean }> {
    const { wasPaused } = await this.#call('continue')
    return { wasPaused }
  }

  async checkpoint(): Promise<{ readonly step: number; readonly directory: string }> {
    const { step, directory } = await this.#call('checkpoint')
    return { step, directory }
  }

  async #start(): Promise<ConvoyProcess> {
    this.#options.signal?.throwIfAborted()
    const args = await trainArgs(this.#options, this.#scratch)
    return new ConvoyProcess(args, this.#options.quiet !== true)
  }

  async #end(): Promise<RunResult> {
    const { signal } = this.#options
    const convoy = await this.#process
    const abort = (): void => void convoy.stop()
    signal?.addEventListener('abort', abort)
    // While the model was being saved.
    if (signal?.aborted) abort()
    try {
      await convoy.done
    } catch (error) {
      signal?.throwIfAborted()
      const { code, lines } = ConvoyError.from(error)
      throw new ConvoyError(
        code,
        lines.map((line) => inTermsOfOptions(line, this.#scratch)),
        { cause: error },
      )
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#runDirectory ??= this.#announced()
    }
    const run = this.#runDirectory!
    const result = readResult(run)
    if (result !== undefined) return result
    signal?.throwIfAborted()
    throw new ConvoyError('interrupted', `The run was stopped before its end. What was done is in ${run}.`)
  }

  async #untilAnnounced(): Promise<string> {
    await this.#process
    for (;;) {
      this.#runDirectory ??= this.#announced()
      if (this.#runDirectory !== undefined) return this.#runDirectory
      await Promise.race([delay(POLL_MS), this.result])
    }
  }

  #announced(): string | undefined {
    return readAnnouncement(announcementIn(this.#scratch))?.runDirectory
  }

  async #call<Method extends AdminMethod>(method: Method): Promise<AdminReply<Method>> {
    const run = await this.directory
    // Imported here: gRPC takes a while to load, and most programs only wait for the result.
    const { callAdmin } = await import('../coordinator/admin-client.js')
    return callAdmin(method, { runsDir: path.dirname(run) }, run)
  }
}
