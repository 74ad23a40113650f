import assert from 'node:assert/strict'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, it } from 'node:test'
import { applyGradient } from '../../../src/training/apply-gradient.js'
import { SliceThreads } from '../../../src/training/slices/slice-threads.js'
import { SLICE_LENGTH } from '../../../src/training/slices/slice-work.js'
import { createOptimizer } from '../../../src/training/optimizers/optimizer.js'
import type { ParameterLayout } from '../../../src/model/parameter-layout.js'
import { gradientLength } from '../../../src/model/parameter-layout.js'
import type { RunConfig } from '../../../src/model/config/run-config.js'
import { runConfigSchema } from '../../../src/model/config/run-config.js'
import { bytesOf } from '../../../src/shared/bytes-of.js'
import { ReductionTree } from '../../../src/shared/reduction-tree.js'
import type { ConvoyError } from '../../../src/shared/errors.js'

/** More than three slices, with tensors across their borders. */
const KERNEL = 2 * SLICE_LENGTH + 12_347
const BIAS = SLICE_LENGTH + 1_009
const MEAN = 77
const tensor = { initializer: { kind: 'constant', value: 0 } } as const
const layout: ParameterLayout = {
  tensors: [
    { ...tensor, name: 'kernel', shape: [1, KERNEL], offset: 0, size: KERNEL, trainable: true, l2: 1e-3 },
    { ...tensor, name: 'bias', shape: [BIAS], offset: KERNEL, size: BIAS, trainable: true, l2: 0 },
    { ...tensor, name: 'mean', shape: [MEAN], offset: KERNEL + BIAS, size: MEAN, trainable: false, l2: 0 },
  ],
  trainableCount: KERNEL + BIAS,
  weightCount: KERNEL + BIAS + MEAN,
  statisticsMomentum: 0.9,
}
const LENGTH = gradientLength(layout)
const OPTIMIZERS = {
  sgd: { kind: 'sgd', momentum: 0.9, nesterov: true },
  adamw: { kind: 'adamw', beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1 },
} as const

function config(changes: Partial<RunConfig>): RunConfig {
  const settings = { network: { name: 'resnet8' }, batchSize: 6, shardSize: 2, epochs: 1, augmentation: {} }
  const schedule = { kind: 'step', initial: 0.1, milestones: [] }
  return { ...runConfigSchema.parse({ ...settings, optimizer: OPTIMIZERS.sgd, schedule }), ...changes }
}

/** Fills the vector with numbers determined by the seed. */
function fill(vector: Float32Array, seed: number): Float32Array {
  let state = seed
  for (let index = 0; index < vector.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    vector[index] = state / 2 ** 31
  }
  return vector
}

/** Two steps of three shards. */
function train(sliceThreads: SliceThreads, settings: RunConfig): { weights: Buffer; norms: number[] } {
  const weights = fill(sliceThreads.allocate(layout.weightCount), 1)
  const optimizer = createOptimizer(settings.optimizer, layout, (length) => sliceThreads.allocate(length))
  const norms = [0, 1].map((step) => {
    const tree = new ReductionTree<Float32Array>(3, undefined, (left, right) => {
      sliceThreads.run({ kind: 'add', left, right }, left.length)
    })
    const shards = [0, 1, 2].map((shard) => fill(sliceThreads.allocate(LENGTH), 10 * step + shard + 2))
    const [sum] = shards.map((vector, shard) => tree.add(shard, 1, vector)).filter((vector) => vector !== undefined)
    return applyGradient({ weights, optimizer, step }, sum!, layout, settings, 10, sliceThreads)!.gradientNorm
  })
  return { weights: bytesOf(weights), norms }
}

async function using(threads: number, run: (sliceThreads: SliceThreads) => void | Promise<void>): Promise<void> {
  const sliceThreads = new SliceThreads({ threads })
  try {
    await run(sliceThreads)
  } finally {
    await sliceThreads.close()
  }
}

describe('slice threads', () => {
  for (const [name, settings] of Object.entries({
    momentum: config({}),
    'momentum and clipping': config({ clipNorm: 0.5 }),
    'AdamW and clipping': config({ optimizer: OPTIMIZERS.adamw, clipNorm: 0.5 }),
  })) {
    it(`give the same weights for any number of threads, with ${name}`, async () => {
      const alone = train(new SliceThreads({ threads: 0 }), settings)
      for (const threads of [1, 2, 3]) {
        await using(threads, (sliceThreads) => {
          const together = train(sliceThreads, settings)
          assert.ok(together.weights.equals(alone.weights), `${threads} threads: other weights`)
          assert.deepEqual(together.norms, alone.norms)
        })
      }
    })
  }

  it('apply nothing of a gradient with a non-finite value in its last slice', async () => {
    await using(2, (sliceThreads) => {
      const weights = fill(sliceThreads.allocate(layout.weightCount), 1)
      const before = weights.slice()
      const optimizer = createOptimizer(OPTIMIZERS.sgd, layout, (length) => sliceThreads.allocate(length))
      const sum = fill(sliceThreads.allocate(LENGTH), 2)
      sum[layout.trainableCount - 1] = NaN
      assert.equal(applyGradient({ weights, optimizer, step: 0 }, sum, layout, config({}), 10, sliceThreads), undefined)
      assert.ok(bytesOf(weights).equals(bytesOf(before)))
    })
  })

  it('find the first bad value, whichever slice finishes first', async () => {
    await using(2, (sliceThreads) => {
      const vector = sliceThreads.allocate(LENGTH)
      assert.equal(sliceThreads.firstBadValue(vector), -1)
      for (const index of [LENGTH - 1, SLICE_LENGTH + 5, SLICE_LENGTH + 4]) {
        vector[index] = Infinity
        assert.equal(sliceThreads.firstBadValue(vector), index)
      }
    })
  })

  it('read a file, and report that it is too short', async () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-sliceThreads-'))
    const file = path.join(directory, 'vector')
    const expected = fill(new Float32Array(LENGTH), 3)
    writeFileSync(file, bytesOf(expected))
    const descriptor = openSync(file, 'r')
    try {
      await using(2, (sliceThreads) => {
        const vector = sliceThreads.allocate(LENGTH)
        assert.equal(sliceThreads.fill(descriptor, vector), true)
        assert.ok(bytesOf(vector).equals(bytesOf(expected)))
        assert.equal(sliceThreads.fill(descriptor, sliceThreads.allocate(LENGTH + 1)), false)
      })
    } finally {
      closeSync(descriptor)
      rmSync(directory, { recursive: true })
    }
  })

  it('reject a vector outside shared memory', async () => {
    await using(1, (sliceThreads) => {
      assert.throws(() => sliceThreads.firstBadValue(new Float32Array(LENGTH)), /not in shared memory/)
    })
  })

  it('report the error of a thread that fails in its slice', async () => {
    const failures: ConvoyError[] = []
    const sliceThreads = new SliceThreads({ threads: 1, onFailure: (error) => failures.push(error) })
    const [sum, weights] = [sliceThreads.allocate(LENGTH), sliceThreads.allocate(LENGTH)]
    const pause = new Int32Array(new SharedArrayBuffer(4))
    // The iterator is not transferred, so only the other thread fails. This thread is slow; otherwise it would take all slices itself
    // and post tens of thousands of jobs, and the other thread might never find a job with a slice left.
    const tensors = Object.create({
      [Symbol.iterator]: () => {
        Atomics.wait(pause, 0, 0, 20)
        return [].values()
      },
    }) as []
    assert.throws(() => {
      for (;;) sliceThreads.run({ kind: 'average', sum, weights, batchSize: 1, tensors }, LENGTH)
    }, /slices of the vectors failed: .*not iterable/)
    await sliceThreads.close()
    assert.equal(failures.length, 1)
  })

  it('report a thread that exits in its slice', async () => {
    const failures: ConvoyError[] = []
    const dies = `
      import { parentPort } from 'node:worker_threads'
      parentPort.on('message', ({ counters, results }) => {
        if (Atomics.add(counters, 0, 1) < results.length) process.exit(3)
      })`
    const entry = new URL(`data:text/javascript,${encodeURIComponent(dies)}`)
    const sliceThreads = new SliceThreads({
      threads: 1,
      onFailure: (error) => failures.push(error),
      patienceMs: 1_000,
      entry,
    })
    const vector = sliceThreads.allocate(LENGTH)
    assert.throws(() => {
      for (;;) sliceThreads.firstBadValue(vector)
    }, /did not finish a slice in 1 s/)
    await sliceThreads.close()
    assert.equal(failures.length, 1)
  })

  it('report a thread that exits while there is no work', async () => {
    const entry = new URL('data:text/javascript,process.exit(3)')
    // Slice threads alone do not keep the process alive.
    const alive = setInterval(() => undefined, 1_000)
    const error = await new Promise<ConvoyError>(
      (resolve) => new SliceThreads({ threads: 1, onFailure: resolve, entry }),
    )
    clearInterval(alive)
    assert.match(error.message, /ended by itself with status 3/)
  })
})
