import { mkdtempSync } from 'node:fs'
import path from 'node:path'
import type { Steering } from '../../src/coordinator/steering.js'
import { listCheckpoints } from '../../src/durability/checkpoints.js'
import { DurableRun } from '../../src/durability/durable-run.js'
import type { CheckpointWriter, RunFacts } from '../../src/durability/checkpoint-thread.js'
import type { DurabilityOptions } from '../../src/durability/durable-run-options.js'
import type { Disk } from '../../src/durability/disk.js'
import { realDisk } from '../../src/durability/disk.js'
import type { RestoredState } from '../../src/durability/restore-state.js'
import { newestCheckpoint, restoreState, takeOverRun } from '../../src/durability/restore-state.js'
import type { RunConfig } from '../../src/model/config/run-config.js'
import type { RunDescription } from '../../src/model/run-description.js'
import { metricsFile, readMetrics } from '../../src/reporting/sinks/metrics-file.js'
import type { MetricsLine } from '../../src/reporting/sinks/metrics-line.js'
import type { RunSink } from '../../src/reporting/sinks/run-sink.js'
import { TinyProblem } from '../../src/simulation/tiny-problem.js'
import type { MakeCallbacks } from '../../src/training/callbacks/own-callbacks.js'
import type { RunEvent } from '../../src/training/run-events.js'
import type { TrainerHooks } from '../../src/training/trainer-options.js'
import type { TrainingOutcome } from '../../src/training/trainer.js'
import { Trainer } from '../../src/training/trainer.js'
import type { TrainingState } from '../../src/training/training-state.js'
import { initialState } from '../../src/training/training-state.js'
import { ScatteredGradientSource } from './scattered-gradient-source.js'

const SHARDS = 4
export const STEPS = 40

export interface DurableTrainingOptions extends DurabilityOptions {
  readonly disk: Disk
  readonly writerFor?: (facts: RunFacts) => CheckpointWriter
  /** Settings of its own. */
  readonly settings: Partial<RunConfig>
  /** The user's callbacks. */
  readonly callbacks?: MakeCallbacks
  /** The run, as its checkpoints name it. */
  readonly name: string
  /** How many times as fast as the clock time passes: a checkpoint that failed is tried again after 10 s. */
  readonly haste: number
  /** Steps that are done while a checkpoint is written. They take less time than that. */
  readonly lag: number
}

/** How one coordinator of the run trains. */
export interface TrainingPart {
  /** Leaves everything as a killed coordinator would, when this many steps of the run are done. */
  readonly breakAfter?: number
  /** As `breakAfter`, in the middle of the first evaluation of these or later weights. */
  readonly breakInEvaluation?: number
  /** `--max-steps`. */
  readonly maxSteps?: number
  readonly workers?: number
}

/** What steers a training while it runs. */
interface Steered {
  readonly steering?: Steering
  readonly end?: AbortController
  readonly stopSignal?: AbortSignal
  readonly onEvent?: (event: RunEvent) => void
}

/** A small training in this process that keeps itself on disk, can be broken off between any two steps, and goes on. */
export class DurableTraining {
  readonly runDirectory: string
  readonly warnings: string[] = []
  /** Steps that were announced as journaled. */
  readonly journaled: number[] = []
  /** Whether the last {@link train} has read what was on disk. */
  hasBegun = false
  readonly #options: DurableTrainingOptions
  readonly #problem = new TinyProblem(SHARDS, STEPS)
  #reduced = 0

  /** @param runDirectory of a run that goes on; by default a new one under `root` */
  constructor(root: string, options: Partial<DurableTrainingOptions> = {}, runDirectory?: string) {
    this.runDirectory = runDirectory ?? mkdtempSync(path.join(root, 'run-'))
    const every = { kind: 'steps', steps: 10 } as const
    const fixed = {
      every,
      journal: 'on',
      keep: 3,
      name: 'tiny',
      haste: 1,
      lag: 0,
      disk: realDisk,
      settings: {},
    } as const
    this.#options = { ...fixed, ...options }
  }

  /**
   * Trains from the beginning, or from what is on disk.
   * @returns outcome: undefined when it was broken off
   */
  async train(
    part: TrainingPart | number = {},
    { steering, end = new AbortController(), stopSignal, onEvent }: Steered = {},
  ): Promise<{ outcome: TrainingOutcome | undefined; events: RunEvent[] }> {
    const whole: TrainingPart = typeof part === 'number' ? { breakAfter: part } : part
    const { breakInEvaluation = Infinity, maxSteps = STEPS, workers = 1 } = whole
    this.hasBegun = false
    const restored = this.#takeOver()
    const description = this.#description(maxSteps)
    const events: RunEvent[] = []
    const sink = this.#openMetrics(restored)
    const durable = this.#openRun(description, sink)
    const hooks = this.#hooks(durable, restored, end, whole)
    const trainer: Trainer = new Trainer({
      ...{ description, signal: end.signal, now: this.#now },
      stopSignal: stopSignal ?? new AbortController().signal,
      state: restored?.state ?? this.#newState(description),
      ...(restored && { checkpointStep: restored.checkpoint.manifest.position.step }),
      splitSizes: this.#problem.splitSizes,
      gradients: this.#gradients(workers, () => {
        if (trainer.state.step >= breakInEvaluation) breakOff(end)
      }),
      observer: (event) => {
        events.push(event)
        // A killed coordinator writes nothing any more.
        if (!end.signal.aborted) sink.observe(event)
        onEvent?.(event)
      },
      hooks: steering ? steering.hooks({ ...hooks, ...(durable.isOn && { checkpoints: durable }) }) : hooks,
    })
    for (const event of restored?.events ?? []) sink.observe(event)
    this.hasBegun = true
    try {
      const outcome = await trainer.train().catch((error: unknown) => {
        if (!end.signal.aborted) throw error
        return undefined
      })
      if (outcome) await durable.finish(outcome.state)
      return { outcome, events }
    } finally {
      await durable.close()
      await sink.close()
    }
  }

  /** What a new coordinator finds; undefined: nothing. */
  restore(take = restoreState): RestoredState | undefined {
    let checkpoint
    try {
      checkpoint = newestCheckpoint(this.runDirectory, this.#warn)
    } catch (error) {
      if (listCheckpoints(this.runDirectory).length > 0) this.#warn((error as Error).message)
      return undefined
    }
    return take(this.runDirectory, checkpoint, {
      ...{ description: checkpoint.manifest.description, trainSamples: this.#problem.split.train.length },
      ...{ now: this.#now, warn: this.#warn, disk: this.#options.disk },
      callbacks: this.#options.callbacks,
    })
  }

  /** The lines of metrics.jsonl. */
  metrics(): MetricsLine[] {
    return readMetrics(this.runDirectory)
  }

  readonly #warn = (line: string): void => void this.warnings.push(line)

  readonly #now = (): number => performance.now() * this.#options.haste

  /** As a new coordinator does before it goes on. @throws Error when there is a run, and none of its checkpoints is whole */
  #takeOver(): RestoredState | undefined {
    const restored = this.restore(takeOverRun)
    if (restored === undefined && listCheckpoints(this.runDirectory).length > 0)
      throw new Error(this.warnings.join('\n'))
    return restored
  }

  #hooks(
    durable: DurableRun,
    restored: RestoredState | undefined,
    end: AbortController,
    { maxSteps = STEPS, breakAfter = Infinity }: TrainingPart,
  ): TrainerHooks {
    const hasChanged = restored?.checkpoint.manifest.description.config.maxSteps !== maxSteps
    let begunAt = 0
    const settle = async (begun: Promise<void> | undefined, step: number): Promise<void> => {
      await begun
      if (step >= begunAt + this.#options.lag) await durable.settled()
      if (step >= breakAfter) breakOff(end)
      end.signal.throwIfAborted()
    }
    return {
      onBegin: async (state) => (restored ? durable.goOn(restored, hasChanged) : durable.begin(state)),
      onReduced: async (step, details, sum) => {
        this.#reduced = step + 1
        await durable.onReduced(step, details, sum)
      },
      onValidated: async (snapshot, _isBest, isInState) => {
        if (isInState) await durable.keepValidation(snapshot)
      },
      onStepDone: (state) => {
        const { step } = state
        const begun = durable.onStepDone(state)
        if (begun !== undefined) begunAt = step
        const goesOn = begun === undefined && step !== begunAt + this.#options.lag && step < breakAfter
        return goesOn ? undefined : settle(begun, step)
      },
    }
  }

  #description(maxSteps: number): RunDescription {
    const { description } = this.#problem
    return { ...description, config: { ...description.config, ...this.#options.settings, maxSteps } }
  }

  #newState(description: RunDescription): TrainingState {
    const state = initialState(description)
    if (this.#options.callbacks) state.callbacks.begin(this.#options.callbacks)
    return state
  }

  #openMetrics(restored: RestoredState | undefined): RunSink {
    const { name } = this.#options
    return metricsFile.open({
      ...{ runDirectory: this.runDirectory, identity: { run: name, name, recipe: 'quick', version: '0' } },
      resumption: restored && { step: restored.state.step, validatedStep: restored.state.last?.step },
      wallSeconds: () => Date.now() / 1000,
      onLost: (_records, { message }) => {
        this.#warn(message)
      },
    })
  }

  #openRun(description: RunDescription, sink: RunSink): DurableRun {
    const { name, haste: _haste, lag: _lag, settings: _settings, callbacks: _callbacks, ...options } = this.#options
    const failed = ({ message }: Error): void => {
      this.#warn(message)
    }
    return new DurableRun({
      ...{ ...options, runDirectory: this.runDirectory, description, ancestor: null, version: '0', now: this.#now },
      ...{ trainSamples: this.#problem.split.train.length, run: { directory: name, name, recipe: 'quick' } },
      deviceFingerprint: () => 'f',
      onRecorded: async () => sink.sync?.(),
      observer: {
        onCheckpoint: () => undefined,
        onCheckpointFailed: (_step, error) => {
          failed(error)
        },
        onPruneFailed: failed,
        onJournal: () => void this.journaled.push(this.#reduced),
        onJournalFailed: failed,
      },
    })
  }

  #gradients(workers: number, onEvaluation: () => void): ScatteredGradientSource {
    const problem = this.#problem
    const { validation, test } = problem.split
    const size = problem.description.config.evaluationShardSize
    const split = { train: 0, validation: Math.ceil(validation.length / size), test: Math.ceil(test.length / size) }
    return new ScatteredGradientSource(
      {
        gradient: (step, shard, weights) => problem.gradient(step, shard, weights),
        evaluate: (name, shard, weights) => {
          if (shard > 0) onEvaluation()
          return problem.evaluate(name, shard, weights)
        },
      },
      { batch: SHARDS, split },
      workers,
    )
  }
}

function breakOff(end: AbortController): void {
  end.abort(new Error('broken off'))
}
