import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RunConfig } from '../../../src/model/config/run-config.js'
import type { ConvoyError } from '../../../src/shared/errors.js'
import { TinyProblem } from '../../../src/simulation/tiny-problem.js'
import { PlainGradientSource } from '../../../src/training/plain-gradient-source.js'
import type { TrainingState } from '../../../src/training/training-state.js'
import type { StoredState } from '../../../src/training/training-state-tensors.js'
import { fromTensors, toTensors } from '../../../src/training/training-state-tensors.js'
import type { TrainingOutcome } from '../../../src/training/trainer.js'
import { Trainer } from '../../../src/training/trainer.js'

const SHARDS = 4
const STEPS = 24
const OPTIMIZERS = {
  sgd: { kind: 'sgd', momentum: 0.9, nesterov: true },
  adamw: { kind: 'adamw', beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.05 },
  adagrad: { kind: 'adagrad', initialAccumulatorValue: 0.1, epsilon: 1e-7 },
  adamax: { kind: 'adamax', beta1: 0.9, beta2: 0.99, epsilon: 1e-7, decay: 0.1 },
} as const satisfies Record<string, RunConfig['optimizer']>

/** @param stopAfter ends the run early, as `convoy stop` does */
function trainerOf(optimizer: RunConfig['optimizer'], stopAfter: number, state?: TrainingState) {
  const problem = new TinyProblem(SHARDS, STEPS)
  const description = { ...problem.description, config: { ...problem.description.config, optimizer } }
  const { train, validation, test } = problem.split
  const stop = new AbortController()
  const trainer = new Trainer({
    ...{ description, state, signal: new AbortController().signal, stopSignal: stop.signal, now: () => 0 },
    splitSizes: { train: train.length, validation: validation.length, test: test.length },
    gradients: new PlainGradientSource(problem, {
      batch: SHARDS,
      split: { train: 0, validation: Math.ceil(validation.length / 3), test: Math.ceil(test.length / 3) },
    }),
    observer: (event) => {
      if (event.kind === 'step' && event.step === stopAfter) stop.abort()
    },
  })
  return { trainer, description }
}

/** The state as a checkpoint restores it: from other memory and JSON. */
function stored(state: TrainingState): StoredState {
  const { tensors, values } = toTensors(state)
  return {
    tensors: Object.fromEntries(Object.entries(tensors).map(([name, vector]) => [name, vector.slice()])),
    values: JSON.parse(JSON.stringify(values)) as StoredState['values'],
  }
}

describe('a training state', () => {
  for (const [name, optimizer] of Object.entries(OPTIMIZERS)) {
    it(`of ${name} gives, stored and restored, the weights of an uninterrupted run`, async () => {
      const through = trainerOf(optimizer, STEPS).trainer
      const expected = await through.train()
      // Stops within an epoch, so that the best weights are older than the last.
      const first = trainerOf(optimizer, 10)
      await first.trainer.train()
      const between = stored(first.trainer.state)
      const resumed = trainerOf(optimizer, STEPS, fromTensors(between, first.description))
      const outcome = await resumed.trainer.train()
      const weightsOf = ({ last, result }: TrainingOutcome) => [last.step, last.weights, result.weightsSha256]
      assert.deepEqual(weightsOf(outcome), weightsOf(expected))
      assert.deepEqual(resumed.trainer.state.optimizer.state, through.state.optimizer.state)
    })
  }

  it('is the same when stored, restored and stored again', async () => {
    const { trainer, description } = trainerOf(OPTIMIZERS.adamw, STEPS)
    await trainer.train()
    const once = stored(trainer.state)
    assert.deepEqual(Object.keys(once.tensors), ['weights', 'best', 'last', 'optimizer/first', 'optimizer/second'])
    assert.deepEqual(stored(fromTensors(once, description)), once)
  })

  it('is rejected when it does not fit the run', async () => {
    const { trainer, description } = trainerOf(OPTIMIZERS.adamw, STEPS)
    await trainer.train()
    const { tensors, values } = stored(trainer.state)
    const { 'optimizer/second': second, ...fewer } = tensors
    const wrong: [Record<string, Float32Array>, RegExp][] = [
      [fewer, /optimizer\/second has no values where 4 belong/],
      [{ ...tensors, 'optimizer/third': second! }, /optimizer\/third has 4 values where none belong/],
      [{ ...tensors, weights: new Float32Array(5) }, /weights has 5 values where 6 belong/],
    ]
    for (const [changed, message] of wrong)
      assert.throws(
        () => fromTensors({ tensors: changed, values }, description),
        (error: ConvoyError) => error.code === 'data' && message.test(error.message),
      )
  })
})
