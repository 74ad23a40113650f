import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { chooseSamples, SPLIT_CHOICES } from '../../../src/data/sampling/choose-samples.js'
import { SampleStream } from '../../../src/data/sampling/sample-stream.js'
import { splitDataset } from '../../../src/data/sampling/split.js'
import type { ConvoyError } from '../../../src/shared/errors.js'

function labelled(count: number, classes: number): { count: number; labels: Uint16Array } {
  return { count, labels: Uint16Array.from({ length: count }, (_, index) => index % classes) }
}

describe('split', () => {
  const cifar = labelled(60_000, 10)

  it('divides 60,000 samples into 42,000 / 9,000 / 9,000, each once', () => {
    const { train, validation, test } = splitDataset(cifar, 1, false)
    assert.deepEqual([train.length, validation.length, test.length], [42_000, 9_000, 9_000])
    assert.equal(new Set([...train, ...validation, ...test]).size, 60_000)
  })

  it('is the same for the same seed in every version, with a fixed hash', () => {
    const { test } = splitDataset(cifar, 1, false)
    const hash = createHash('sha256').update(new Uint8Array(test.buffer)).digest('hex')
    assert.equal(hash.slice(0, 16), 'fe7bfddcd21e6533')
    assert.notDeepEqual(splitDataset(cifar, 2, false).test, test)
  })

  it('distributes classes evenly when stratified', () => {
    for (const [name, samples] of Object.entries(splitDataset(cifar, 1, true))) {
      const counts = new Array<number>(10).fill(0)
      for (const sample of samples as Uint32Array) counts[cifar.labels[sample]!]!++
      assert.deepEqual(counts, new Array<number>(10).fill(name === 'train' ? 4200 : 900))
    }
  })

  it('chosen for eval is that of the run, stratified or not', () => {
    const data = { ...labelled(200, 7), name: 'numbers' }
    for (const stratified of [false, true]) {
      const split = splitDataset(data, 5, stratified)
      for (const name of SPLIT_CHOICES) {
        const expected = name === 'all' ? Uint32Array.from({ length: 200 }, (_, sample) => sample) : split[name]
        assert.deepEqual(chooseSamples(data, name, { seed: 5, stratified }), expected, name)
      }
    }
    assert.notDeepEqual(splitDataset(data, 5, true), splitDataset(data, 5, false))
  })

  it('uses each sample once, for any size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 500 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        (count, classes, stratified) => {
          const { train, validation, test } = splitDataset(labelled(count, classes), 3, stratified)
          const all = [...train, ...validation, ...test].sort((a, b) => a - b)
          assert.deepEqual(
            all,
            Array.from({ length: count }, (_, index) => index),
          )
          assert.equal(train.length, Math.floor((7 * count) / 10))
        },
      ),
    )
  })

  it('has exact totals when stratified over classes that do not divide evenly', () => {
    const uneven = labelled(100, 13)
    const { train, validation, test } = splitDataset(uneven, 1, true)
    assert.deepEqual([train.length, validation.length, test.length], [70, 15, 15])
    for (let label = 0; label < 13; label++) {
      const size = uneven.labels.filter((other) => other === label).length
      const trained = train.filter((sample) => uneven.labels[sample] === label).length
      assert.ok(Math.abs(trained - 0.7 * size) < 1, `class ${label}: ${trained} of ${size}`)
    }
  })

  it('gives an odd remaining sample to validation', () => {
    const { train, validation, test } = splitDataset(labelled(15, 3), 1, false)
    assert.deepEqual([train.length, validation.length, test.length], [10, 3, 2])
  })

  it('rounds up the largest remainders, of equal ones the lower label, then divides the rest the same way', () => {
    // Train: 14 of 10, 5 and 5 are 7, 3.5 and 3.5. Validation: half of the remaining 3, 1 and 2 is 1.5, 0.5 and 1.
    const labels = Uint16Array.from({ length: 20 }, (_, sample) => (sample < 5 ? 2 : sample < 10 ? 1 : 0))
    for (let seed = 1; seed <= 8; seed++) {
      const split = splitDataset({ count: 20, labels }, seed, true)
      const counts = [split.train, split.validation, split.test].map((samples) =>
        [0, 1, 2].map((label) => samples.filter((sample) => labels[sample] === label).length),
      )
      assert.deepEqual(counts, [
        [7, 4, 3],
        [2, 0, 1],
        [1, 1, 1],
      ])
    }
  })

  it('puts the only sample of a class into train', () => {
    const labels = new Uint16Array(100)
    labels[5] = 1
    assert.ok(splitDataset({ count: 100, labels }, 1, true).train.includes(5))
  })

  it('splits a million samples', () => {
    const { train, validation, test } = splitDataset(labelled(1_000_000, 10), 1, false)
    assert.deepEqual([train.length, validation.length, test.length], [700_000, 150_000, 150_000])
  })

  it('rejects too few samples', () => {
    assert.throws(
      () => splitDataset(labelled(2, 1), 1, false),
      (error: ConvoyError) => error.code === 'data',
    )
  })
})

describe('sample stream', () => {
  it('uses every sample exactly once per epoch, although batches straddle epochs', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        (size, shards, shardSize) => {
          const train = Uint32Array.from({ length: size }, (_, index) => index * 7)
          const stream = new SampleStream(train, 5)
          const batch = shards * shardSize
          const uses = new Map<string, number>()
          const epochs = 3
          for (let step = 0; step * batch < epochs * size; step++) {
            for (let shard = 0; shard < shards; shard++) {
              const { samples, epochs: used } = stream.shard(step, shard, batch, shardSize)
              samples.forEach((sample, index) => {
                const key = `${used[index]}:${sample}`
                uses.set(key, (uses.get(key) ?? 0) + 1)
              })
            }
          }
          for (let epoch = 0; epoch < epochs; epoch++)
            for (const sample of train) assert.equal(uses.get(`${epoch}:${sample}`), 1)
        },
      ),
    )
  })

  it('shuffles each epoch differently, and identically in every process', () => {
    const train = Uint32Array.from({ length: 100 }, (_, index) => index)
    const epoch = (seed: number, step: number): Uint32Array =>
      new SampleStream(train, seed).shard(step, 0, 100, 100).samples
    assert.deepEqual(epoch(1, 0), epoch(1, 0))
    assert.notDeepEqual(epoch(1, 0), epoch(1, 1))
    assert.notDeepEqual(epoch(1, 0), epoch(2, 0))
  })

  it('repeats the samples of an older step for a late lease', () => {
    const stream = new SampleStream(
      Uint32Array.from({ length: 10 }, (_, index) => index),
      1,
    )
    const first = stream.shard(0, 0, 10, 10).samples
    for (let step = 1; step < 8; step++) stream.shard(step, 0, 10, 10)
    assert.deepEqual(stream.shard(0, 0, 10, 10).samples, first)
  })
})
