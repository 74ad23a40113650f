import { mkdtempSync } from 'node:fs'
import path from 'node:path'
import { DurableRun } from '../../src/durability/durable-run.js'
import type { RestoredState } from '../../src/durability/restore-state.js'
import { newestCheckpoint, restoreState } from '../../src/durability/restore-state.js'
import type { ParameterLayout } from '../../src/model/parameter-layout.js'
import { gradientLength } from '../../src/model/parameter-layout.js'
import type { RunDescription } from '../../src/model/run-description.js'
import { weightsSha256 } from '../../src/model/weights-sha256.js'
import { SeededDraws } from '../../src/simulation/seeded-draws.js'
import { TinyProblem } from '../../src/simulation/tiny-problem.js'
import { applyGradient } from '../../src/training/apply-gradient.js'
import { plannedSteps } from '../../src/training/trainer.js'
import { initialState, keepValidated } from '../../src/training/training-state.js'

const INPUTS = 160
const OUTPUTS = 160
const SIZE = INPUTS * OUTPUTS
export const WIDE_STEPS = 12
/** Steps between two checkpoints. */
export const WIDE_EVERY = 4

const layout: ParameterLayout = {
  tensors: [
    {
      ...{ name: 'dense/kernel', shape: [INPUTS, OUTPUTS], offset: 0, size: SIZE, trainable: true, l2: 0.01 },
      initializer: { kind: 'uniform', limit: 1 },
    },
    {
      ...{ name: 'norm/mean', shape: [OUTPUTS], offset: SIZE, size: OUTPUTS, trainable: false, l2: 0 },
      initializer: { kind: 'constant', value: 0 },
    },
  ],
  trainableCount: SIZE,
  weightCount: SIZE + OUTPUTS,
  statisticsMomentum: 0.9,
}

const { description: tiny, splitSizes } = new TinyProblem(4, WIDE_STEPS)
const { epochs, batchSize } = tiny.config
const TOTAL = plannedSteps(epochs, splitSizes.train, batchSize)
const description: RunDescription = { ...tiny, model: { ...tiny.model, layout } }

/** A run of 100 kB of weights and given gradients: its checkpoints and its journal have many blocks of a disk. */
export class WideRun {
  readonly runDirectory: string
  readonly warnings: string[] = []
  /** sha256 of the weights after each number of steps. */
  readonly hashes: string[] = []

  constructor(root: string) {
    this.runDirectory = mkdtempSync(path.join(root, 'wide-'))
  }

  /** {@link WIDE_STEPS} steps, with a validation in the middle; the last ones are in the journal alone. */
  async train(): Promise<void> {
    const state = initialState(description)
    const durable = this.#openRun()
    const draws = new SeededDraws(1)
    this.hashes.push(weightsSha256(state.weights))
    await durable.begin(state)
    while (state.step < WIDE_STEPS - 1) {
      const sum = Float32Array.from({ length: gradientLength(layout) }, () => draws.between(-1, 1))
      await durable.onReduced(state.step, { waitMs: 0, reduceMs: 0, workers: 1 }, sum)
      applyGradient(state, sum, layout, description.config, TOTAL)
      state.step++
      this.hashes.push(weightsSha256(state.weights))
      if (state.step === WIDE_EVERY + 1) {
        const confusion = [
          [8, 2],
          [3, 7],
        ]
        const result = { split: 'validation', step: state.step, samples: 20, loss: 1, accuracy: 0.75 } as const
        await durable.keepValidation(keepValidated(state, { ...result, confusion, durationMs: 1 }).last)
      }
      await durable.onStepDone(state)
      await durable.settled()
    }
    await durable.close()
  }

  /** What a new coordinator finds, and what it logs. */
  restore(): RestoredState {
    this.warnings.length = 0
    const warn = (line: string): void => void this.warnings.push(line)
    const checkpoint = newestCheckpoint(this.runDirectory, warn)
    return restoreState(this.runDirectory, checkpoint, {
      ...{ description, trainSamples: splitSizes.train, now: () => 0, warn },
    })
  }

  #openRun(): DurableRun {
    const fail = (error: Error): never => {
      throw error
    }
    return new DurableRun({
      ...{ runDirectory: this.runDirectory, every: { kind: 'steps', steps: WIDE_EVERY }, journal: 'on', keep: 3 },
      ...{ run: { directory: 'wide', name: 'wide', recipe: 'quick' }, version: '0', description, ancestor: null },
      ...{ trainSamples: splitSizes.train, deviceFingerprint: () => null, now: () => performance.now() },
      onRecorded: async () => Promise.resolve(),
      observer: {
        onCheckpoint: () => undefined,
        onCheckpointFailed: (_step, error) => fail(error),
        onPruneFailed: fail,
        onJournal: () => undefined,
        onJournalFailed: fail,
      },
    })
  }
}
