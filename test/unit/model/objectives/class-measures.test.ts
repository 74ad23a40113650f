import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeEvaluation } from '../../../../src/model/objectives/evaluation.js'

/** Of 3 classes, `confusion[label][prediction]`. */
const CONFUSION = [
  [3, 1, 0],
  [1, 2, 2],
  [0, 0, 0],
]

describe('the measures of classes', () => {
  const { accuracy, metrics } = decodeEvaluation(Float32Array.from(CONFUSION.flat()), 18, { classCount: 3 }, 9)

  it('are those of the definitions, macro averages', () => {
    assert.equal(accuracy, 5 / 9)
    // By hand: predicted 4, 3, 2 times; right 3, 2, 0; labelled 4, 5, 0.
    assert.ok(Math.abs(metrics!['precision']! - (3 / 4 + 2 / 3 + 0) / 3) < 1e-12)
    assert.ok(Math.abs(metrics!['recall']! - (3 / 4 + 2 / 5 + 0) / 3) < 1e-12)
    assert.ok(Math.abs(metrics!['f1']! - (6 / 8 + 4 / 8 + 0) / 3) < 1e-12)
  })

  it('have the five most probable classes where there are more', () => {
    assert.equal(metrics!['top5'], undefined)
    const sums = new Float32Array(37)
    sums[0] = 4
    sums[36] = 3
    assert.equal(decodeEvaluation(sums, 0, { classCount: 6 }, 4).metrics!['top5'], 0.75)
  })
})

describe('the measures of several outputs', () => {
  it('have the names of the outputs before them, each with its loss and its custom metrics', () => {
    const objectives = [
      { name: 'kind', kind: 'classes', loss: 'crossEntropy', size: 2 },
      { name: 'price', kind: 'numbers', loss: 'huberLoss', size: 1, targetMeans: [3], metrics: ['near'] },
    ] as const
    // Confusion and loss; sums of the number, the custom metric and the loss.
    const sums = Float32Array.from([...[3, 0, 1, 4], 16, ...[8, 32, 0, 16], 6, 24])
    const { loss, metrics, confusion, accuracy } = decodeEvaluation(sums, 40, { classCount: 0, objectives }, 8)
    assert.deepEqual([loss, confusion, accuracy], [5, [], undefined])
    assert.deepEqual(
      Object.keys(metrics!),
      ['loss', 'accuracy', 'precision', 'recall', 'f1']
        .map((name) => `kind_${name}`)
        .concat(['loss', 'mae', 'rmse', 'r2', 'near'].map((name) => `price_${name}`)),
    )
    assert.deepEqual(
      ['kind_loss', 'kind_accuracy', 'price_loss', 'price_mae', 'price_rmse', 'price_near'].map(
        (name) => metrics![name],
      ),
      [2, 7 / 8, 3, 1, 2, 0.75],
    )
    assert.equal(metrics!['price_r2'], 1 - 32 / 16)
  })
})
