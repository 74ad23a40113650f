import { rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { RunDescription } from '../model/run-description.js'
import { DiskReserve } from '../shared/disk-reserve.js'
import { ConvoyError } from '../shared/errors.js'
import type { Logger } from '../shared/log/log.js'
import { makeDirectory } from '../shared/make-directory.js'
import { makeUniqueDirectory } from '../shared/staging.js'
import { formatBytes } from '../shared/units.js'
import type { WeightsName } from './trained-model.js'
import { savedBytes, saveTrainedModel, WEIGHTS_NAMES } from './trained-model.js'

/** Weights to save, and their validation, if there was one. */
export interface KeptWeights {
  /** float32, `[layout.weightCount]`; no longer changed. */
  readonly weights: Float32Array
  /** Steps that made them. */
  readonly step: number
  readonly validation?: { readonly accuracy?: number }
}

type Weights = Readonly<Partial<Record<WeightsName, KeptWeights>>>

export interface RunModelsOptions {
  readonly runDirectory: string
  /** The run's name in the saved files. */
  readonly run: string
  readonly description: RunDescription
  /** Convoy's. */
  readonly version: string
  /** Tried before the system's directory for temporary files when the run directory cannot be written. */
  readonly rescueDirectory?: string | undefined
  /** How long the end of a run waits for room on a full disk. */
  readonly waitMs: number
  /** Ends the wait. */
  readonly signal: AbortSignal
  readonly log: Logger
  /** Called for each saved model. */
  readonly onSaved: (bytes: number, seconds: number) => void
  readonly onFailed: () => void
}

const POLL_MS = 1_000
/** Room for `result.json` and the other files that are written at the end. */
const RESULT_BYTES = 1024 * 1024
const FULL: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT']

/**
 * Saves the weights of a run as `model/best` and `model/last`. Room on the disk is reserved for them; when the run directory cannot
 * be written at all, they go to another directory, and the log names it.
 */
export class RunModels {
  readonly #options: RunModelsOptions
  readonly #reserve: DiskReserve
  /** The newest. */
  readonly #kept = new Map<WeightsName, KeptWeights>()
  /** Of these, the ones that are not in the run directory yet. */
  readonly #unsaved = new Set<WeightsName>()
  /** In the run directory, these or older ones. */
  readonly #inRun = new Set<WeightsName>()
  #rescue: string | undefined

  private constructor(options: RunModelsOptions) {
    this.#options = options
    this.#reserve = new DiskReserve(options.runDirectory)
  }

  /** @throws ConvoyError('environment') when the disk has no room for the weights, or cannot be written */
  static async prepare(options: RunModelsOptions): Promise<RunModels> {
    const models = new RunModels(options)
    try {
      await models.#takeReserve()
      return models
    } catch (error) {
      const needed = `its weights need ${formatBytes(models.#reserveBytes)} there. Make room, or choose another disk with --runs-dir.`
      throw new ConvoyError(
        'environment',
        `${options.runDirectory} cannot hold this run (${textOf(error as Error)}): ${needed}`,
        {
          cause: error,
        },
      )
    }
  }

  /** Holds weights until the next {@link keep}, or the end of the run. */
  add(weights: Weights): void {
    for (const which of WEIGHTS_NAMES) {
      const kept = weights[which]
      if (kept === undefined) continue
      this.#kept.set(which, kept)
      this.#unsaved.add(which)
    }
  }

  /** Saves weights during the run. When the run directory cannot take them, they go elsewhere, and the end of the run tries again. */
  async keep(weights: Weights): Promise<void> {
    this.add(weights)
    let failure = await errorOf(this.#saveInRun)
    if (isFull(failure) && (await this.#reserve.release())) failure = await errorOf(this.#saveInRun)
    // Fails on a full disk; there may be room the next time.
    await errorOf(async () => this.#takeReserve())
    if (failure === undefined) return
    const { runDirectory, log } = this.#options
    log.warn(`The weights cannot be saved in ${runDirectory}: ${textOf(failure)}.`)
    const where = await this.#saveElsewhere()
    if (where !== undefined) log.warn(`The weights are saved in ${where}. The run goes on.`)
    else log.error('The weights are saved nowhere. The run goes on, and saves them at its end if it can.')
  }

  /**
   * The end of a run: saves all weights and the other files. On a full disk it waits for room first.
   * @param weights that are newer than those of {@link keep}
   * @param write writes other files of the run into a directory
   * @throws ConvoyError('environment') when the run directory cannot take them; the message names the directory that has them
   */
  async finish(weights: Weights, write?: (directory: string) => Promise<void>): Promise<void> {
    this.add(weights)
    const { runDirectory, log, waitMs, signal } = this.#options
    const save = async (): Promise<void> => {
      await this.#saveInRun()
      await write?.(runDirectory)
    }
    await this.#reserve.release()
    let failure = await errorOf(save)
    if (isFull(failure) && !signal.aborted && waitMs > 0) {
      log.warn(
        `${runDirectory} is full: ${textOf(failure)}. Waiting ${waitMs / 1000} s for room; then the weights are saved elsewhere (Ctrl-C: at once).`,
      )
      const deadlineMs = performance.now() + waitMs
      while (isFull(failure) && !signal.aborted && performance.now() < deadlineMs) {
        await errorOf(async () => delay(POLL_MS, undefined, { signal }))
        failure = await errorOf(save)
      }
    }
    if (failure === undefined) {
      if (this.#rescue !== undefined) await rm(this.#rescue, { recursive: true, force: true })
      return
    }
    const where = await this.#saveElsewhere(write)
    const what = `The weights and the result cannot be saved in ${runDirectory}: ${textOf(failure)}.`
    throw new ConvoyError(
      'environment',
      where === undefined
        ? `${what} Nor anywhere else: name a directory with --rescue-dir, and train again.`
        : `${what} They are saved in ${where}, which \`convoy predict\` and \`convoy eval\` take like a run directory.`,
      { cause: failure },
    )
  }

  /** Releases the reserved room, unless {@link finish} did. */
  async close(): Promise<void> {
    await this.#reserve.release()
  }

  /** Room for the models that are not saved yet, and for one that is replaced: both exist for a moment. */
  get #reserveBytes(): number {
    const models = WEIGHTS_NAMES.length - this.#inRun.size + 1
    return models * savedBytes(this.#options.description) + RESULT_BYTES
  }

  async #takeReserve(): Promise<void> {
    await this.#reserve.take(this.#reserveBytes)
  }

  readonly #saveInRun = async (): Promise<void> => {
    for (const which of this.#unsaved) {
      await this.#save(this.#options.runDirectory, which)
      this.#unsaved.delete(which)
      this.#inRun.add(which)
    }
  }

  /** All weights and files, so that the place is complete. @returns the directory; undefined: no place took them */
  async #saveElsewhere(write?: (directory: string) => Promise<void>): Promise<string | undefined> {
    const { rescueDirectory, run, log } = this.#options
    for (const place of [rescueDirectory, os.tmpdir()]) {
      if (place === undefined) continue
      const failure = await errorOf(async () => {
        await makeDirectory(place)
        this.#rescue ??= await makeUniqueDirectory(path.join(place, `convoy-${run}-`))
        for (const which of this.#kept.keys()) await this.#save(this.#rescue, which)
        await write?.(this.#rescue)
      })
      if (failure === undefined) return this.#rescue
      log.warn(`Nor can they be saved in ${place}: ${textOf(failure)}.`)
      if (this.#rescue !== undefined) await errorOf(async () => rm(this.#rescue!, { recursive: true, force: true }))
      this.#rescue = undefined
    }
    return undefined
  }

  async #save(directory: string, which: WeightsName): Promise<void> {
    const { description, version, run, onSaved, onFailed } = this.#options
    const { weights, step, validation } = this.#kept.get(which)!
    const startedMs = performance.now()
    try {
      const bytes = await saveTrainedModel(
        path.join(directory, 'model', which),
        { description, weights, step },
        version,
        { run, which, ...(validation?.accuracy !== undefined && { validationAccuracy: validation.accuracy }) },
      )
      onSaved(bytes, (performance.now() - startedMs) / 1000)
    } catch (error) {
      onFailed()
      throw error
    }
  }
}

/** The error of an attempt; undefined when it succeeded. */
async function errorOf(attempt: () => Promise<unknown>): Promise<Error | undefined> {
  try {
    await attempt()
    return undefined
  } catch (error) {
    return error as Error
  }
}

function isFull(error: Error | undefined): boolean {
  return FULL.includes((error as NodeJS.ErrnoException | undefined)?.code)
}

function textOf(error: Error | undefined): string {
  return (error?.message ?? '').replace(/\.$/, '')
}
