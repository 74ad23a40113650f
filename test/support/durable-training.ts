import { mkdtempSync } from 'node:fs'
import path from 'node:path'
import { DurableRun } from '../../src/durability/durable-run.js'
import type { DurabilityOptions } from '../../src/durability/durable-run.js'
import type { RestoredState } from '../../src/durability/restore-state.js'
import type { Steering } from '../../src/coordinator/steering.js'
import { newestCheckpoint, restoreState } from '../../src/durability/restore-state.js'
import { TinyProblem } from '../../src/simulation/tiny-problem.js'
import { PlainGradientSource } from '../../src/training/plain-gradient-source.js'
import type { RunEvent } from '../../src/training/run-events.js'
import { SliceThreads } from '../../src/training/slices/slice-threads.js'
import type { TrainerHooks } from '../../src/training/trainer-options.js'
import type { TrainingOutcome } from '../../src/training/trainer.js'
import { Trainer } from '../../src/training/trainer.js'

const SHARDS = 4
export const STEPS = 40

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
  readonly #options: DurabilityOptions

  constructor(root: string, options: Partial<DurabilityOptions> = {}) {
    this.runDirectory = mkdtempSync(path.join(root, 'run-'))
    this.#options = { every: { kind: 'steps', steps: 10 }, journal: 'on', keep: 3, ...options }
  }

  /**
   * Trains from the beginning, or from what is on disk.
   * @param breakAfter leaves everything as a killed coordinator would, when this many steps of the run are done
   * @returns undefined when it was broken off
   */
  async train(
    breakAfter = Infinity,
    { steering, end = new AbortController(), stopSignal, onEvent }: Steered = {},
  ): Promise<{ outcome: TrainingOutcome | undefined; events: RunEvent[] }> {
    const problem = new TinyProblem(SHARDS, STEPS)
    const { description, split } = problem
    const { train, validation, test } = split
    const restored = this.#restored(problem)
    const events: RunEvent[] = []
    const failed = (_step: number, error: Error): void => void this.warnings.push(error.message)
    const durable = new DurableRun({
      ...{ ...this.#options, runDirectory: this.runDirectory, description, trainSamples: train.length, ancestor: null },
      ...{ version: '0', run: { directory: 'tiny', name: 'tiny', recipe: 'quick' }, now: () => performance.now() },
      deviceFingerprint: () => 'f',
      observer: {
        onCheckpoint: () => undefined,
        onCheckpointFailed: failed,
        onJournal: () => undefined,
        onJournalFailed: (error) => failed(0, error),
      },
    })
    const hooks = this.#hooks(durable, restored, end, breakAfter)
    const trainer = new Trainer({
      ...{ description, signal: end.signal, now: () => performance.now() },
      stopSignal: stopSignal ?? new AbortController().signal,
      ...(restored && { state: restored.state, checkpointStep: restored.checkpoint.manifest.position.step }),
      splitSizes: { train: train.length, validation: validation.length, test: test.length },
      gradients: new PlainGradientSource(problem, {
        batch: SHARDS,
        split: { train: 0, validation: Math.ceil(validation.length / 3), test: Math.ceil(test.length / 3) },
      }),
      sliceThreads: new SliceThreads({ threads: 0 }),
      observer: (event) => {
        events.push(event)
        onEvent?.(event)
      },
      hooks: steering ? steering.hooks({ ...hooks, ...(durable.isOn && { checkpoints: durable }) }) : hooks,
    })
    const outcome = await trainer.train().catch((error: unknown) => {
      if (!end.signal.aborted) throw error
      return undefined
    })
    await durable.close()
    return { outcome, events }
  }

  #hooks(
    durable: DurableRun,
    restored: RestoredState | undefined,
    end: AbortController,
    breakAfter: number,
  ): TrainerHooks {
    return {
      onBegin: async (state) => (restored ? durable.goOn(restored, false) : durable.begin(state)),
      onReduced: durable.onReduced,
      onValidated: async (snapshot, _isBest, isInState) => {
        if (isInState) await durable.keepValidation(snapshot)
      },
      onStepDone: async (state) => {
        await durable.onStepDone(state)
        // These steps take less time than a checkpoint.
        await durable.settled()
        if (state.step >= breakAfter) end.abort(new Error('broken off'))
        end.signal.throwIfAborted()
      },
    }
  }

  /** What a new coordinator finds; undefined: nothing. */
  restore(): RestoredState | undefined {
    return this.#restored(new TinyProblem(SHARDS, STEPS))
  }

  #restored({ description, split }: TinyProblem): RestoredState | undefined {
    const warn = (line: string): void => void this.warnings.push(line)
    let checkpoint
    try {
      checkpoint = newestCheckpoint(this.runDirectory, warn)
    } catch {
      return undefined
    }
    return restoreState(this.runDirectory, checkpoint, {
      ...{ description, trainSamples: split.train.length, sliceThreads: new SliceThreads({ threads: 0 }) },
      ...{ now: () => performance.now(), warn },
    })
  }
}
