import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Arrays } from '../../../src/data/dataset.js'
import { gatherWeights } from '../../../src/data/sampling/gather-samples.js'

const plain: Arrays = {
  ...{
    name: 'plain',
    fingerprint: '0'.repeat(64),
    count: 4,
    targets: [],
    targetValues: [],
    classNames: ['a', 'b', 'c'],
  },
  inputs: [{ name: 'x', type: 'float32', shape: [] }],
  inputValues: [new Float32Array(4)],
  sampleWeights: new Float32Array(0),
  labels: Uint16Array.of(2, 0, 1, 2),
}
const weighted: Arrays = { ...plain, hasWeights: true, sampleWeights: Float32Array.of(1, 0.5, 0, 3) }

describe('the weights of samples in the loss', () => {
  it('are those of their classes, times their own', () => {
    const classWeights = [4, 8, 10]
    assert.deepEqual([...gatherWeights(plain, classWeights, [3, 1, 1])!], [10, 4, 4])
    assert.deepEqual([...gatherWeights(weighted, undefined, [0, 3, 2])!], [1, 3, 0])
    assert.deepEqual([...gatherWeights(weighted, classWeights, [1, 3])!], [2, 30])
  })

  it('do not exist where neither is given', () => {
    assert.equal(gatherWeights(plain, undefined, [0]), undefined)
  })
})
