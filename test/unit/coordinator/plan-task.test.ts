import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Arrays, Split } from '../../../src/data/dataset.js'
import { needsOf, planTask } from '../../../src/coordinator/plan-task.js'
import type { ModelTask } from '../../../src/model/describe-model.js'

const inputs = [{ name: 'x', type: 'float32', shape: [3] }] as const
const none = { targets: [], targetValues: [], sampleWeights: new Float32Array(0) }
const base = { name: 'rows', fingerprint: '0'.repeat(64), count: 6, inputs, inputValues: [new Float32Array(18)] }
/** The last two samples are not trained on. */
const split: Split = { train: Uint32Array.of(0, 1, 2, 3), validation: Uint32Array.of(4), test: Uint32Array.of(5) }

const flowers: Arrays = {
  ...{ ...base, ...none, classNames: ['iris', 'lily', 'rose'] },
  labels: Uint16Array.of(0, 0, 0, 1, 2, 2),
}
const flats: Arrays = {
  ...{ ...base, ...none, classNames: [], labels: new Uint16Array(0) },
  targets: [
    { name: 'rent', type: 'float32', shape: [] },
    { name: 'district', type: 'int32', shape: [], classNames: ['park', 'station'] },
    { name: 'lift,balcony', type: 'float32', shape: [2] },
  ],
  targetValues: [
    Float32Array.of(1, 2, 3, 5, 100, 100),
    Int32Array.of(0, 1, 0, 1, 0, 1),
    Float32Array.of(1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0),
  ],
}

function rejects(run: () => ModelTask, message: RegExp): void {
  assert.throws(run, { code: 'usage', message })
}

describe('what a model learns from a data set', () => {
  it('is the class of a sample, described as it always was', () => {
    assert.deepEqual(planTask({}, flowers, split), { inputs })
    assert.deepEqual(needsOf(flowers, {}).outputs, [{ name: 'class', kind: 'classes', loss: 'crossEntropy', size: 3 }])
  })

  it('is a loss for each target, with its own weight; numbers have the mean of their training targets', () => {
    const outputs = { rent: { loss: 'huberLoss', weight: 0.5 }, 'lift,balcony': { loss: 'binaryCrossentropy' } }
    assert.deepEqual(planTask({ outputs }, flats, split), {
      inputs,
      objectives: [
        { name: 'rent', kind: 'numbers', loss: 'huberLoss', size: 1, targetMeans: [2.75], weight: 0.5 },
        { name: 'district', kind: 'classes', loss: 'crossEntropy', size: 2 },
        { name: 'lift,balcony', kind: 'binary', loss: 'binaryCrossentropy', size: 2 },
      ],
    })
    assert.deepEqual(
      planTask({ loss: 'meanAbsoluteError' }, flats, split).objectives!.map(({ loss }) => loss),
      ['meanAbsoluteError', 'crossEntropy', 'meanAbsoluteError'],
    )
  })

  it('has custom losses and metrics, of classes too', () => {
    const custom = {
      losses: { own: null as never },
      metrics: { all: (() => null) as never, some: { rent: null as never } },
    }
    const [rent, district] = planTask({ outputs: { district: { loss: 'own' } } }, flats, split, custom).objectives!
    assert.deepEqual([rent!.metrics, district!.metrics], [['all', 'some'], ['all']])
    assert.deepEqual([district!.kind, district!.loss], ['classes', 'own'])
    const [kind] = planTask({ loss: 'own' }, flowers, split, custom).objectives!
    assert.deepEqual([kind!.loss, kind!.size], ['own', 3])
  })

  it('has weights of classes: given by name, or balanced over the training split', () => {
    const given = planTask({ classWeights: { rose: 3, iris: 0 } }, flowers, split)
    assert.deepEqual(given.classWeights, [0, 1, 3])
    // Three, one and none of four samples that are trained on.
    assert.deepEqual(planTask({ classWeights: 'balanced' }, flowers, split).classWeights, [
      Math.fround(4 / 9),
      Math.fround(4 / 3),
      0,
    ])
  })

  it('is rejected by the name of the setting that does not fit', () => {
    rejects(
      () => planTask({ loss: 'huberLoss' }, flowers, split),
      /--loss huberLoss: rows has classes.*leave --loss out/,
    )
    rejects(() => planTask({ loss: 'mine' }, flats, split), /--loss mine: there is no such loss; use meanSquaredError/)
    rejects(
      () => planTask({ outputs: { size: {} } }, flats, split),
      /outputs\.size: rows has no such target; it has rent/,
    )
    const district = { district: { loss: 'huberLoss' } }
    rejects(() => planTask({ outputs: district }, flats, split), /outputs\.district\.loss: district has classes/)
    rejects(
      () => planTask({ loss: 'binaryCrossentropy' }, flats, split),
      /sample 1 has rent 2; of yes and no, targets are 1 and 0/,
    )
    rejects(
      () => planTask({ classWeights: 'balanced' }, flats, split),
      /classWeights: rows has no classes as its only target/,
    )
    rejects(
      () => planTask({ classWeights: { tulip: 2 } }, flowers, split),
      /classWeights\.tulip: rows has no such class/,
    )
  })
})
