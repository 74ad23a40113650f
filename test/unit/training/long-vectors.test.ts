import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, it } from 'node:test'
import { Worker as Thread } from 'node:worker_threads'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { applyGradient } from '../../../src/training/apply-gradient.js'
import { SLICE_LENGTH } from '../../../src/training/average-gradient.js'
import { firstBadValue } from '../../../src/training/first-bad-value.js'
import { createOptimizer } from '../../../src/training/optimizers/optimizer.js'
import type { ParameterLayout } from '../../../src/model/parameter-layout.js'
import { gradientLength } from '../../../src/model/parameter-layout.js'
import type { RunConfig } from '../../../src/model/config/run-config.js'
import { runConfigSchema } from '../../../src/model/config/run-config.js'
import { bytesOf } from '../../../src/shared/bytes-of.js'
import { nativeLoops, withoutNativeLoops, withThreads } from '../../../src/shared/native-loops.js'
import { addInto, ReductionTree } from '../../../src/shared/reduction-tree.js'

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
function train(settings: RunConfig, threads: number): { weights: Buffer; norms: number[] } {
  const weights = fill(new Float32Array(layout.weightCount), 1)
  const optimizer = createOptimizer(settings.optimizer, layout)
  const norms = [0, 1].map((step) => {
    const tree = new ReductionTree<Float32Array>(3, 0, undefined, (left, right) => {
      addInto(left, right, threads)
    })
    const shards = [0, 1, 2].map((shard) => fill(new Float32Array(LENGTH), 10 * step + shard + 2))
    const [sum] = shards.map((vector, shard) => tree.add(shard, 1, vector)).filter((vector) => vector !== undefined)
    return applyGradient({ weights, optimizer, step }, sum!, layout, settings, 10)!.gradientNorm
  })
  return { weights: bytesOf(weights), norms }
}

describe('work on long vectors', () => {
  for (const [name, settings] of Object.entries({
    momentum: config({}),
    'momentum and clipping': config({ clipNorm: 0.5 }),
    'AdamW and clipping': config({ optimizer: OPTIMIZERS.adamw, clipNorm: 0.5 }),
  })) {
    it(`gives the same weights for any number of threads, with ${name}`, () => {
      const inTypeScript = withoutNativeLoops(() => train(settings, 1))
      for (const threads of [1, 2, 3, 8]) {
        const { weights, norms } = withThreads(threads, () => train(settings, threads))
        assert.ok(weights.equals(inTypeScript.weights), `${threads} threads: other weights`)
        assert.deepEqual(norms, inTypeScript.norms)
      }
    })
  }

  it('applies nothing of a gradient with a non-finite value in its last slice', () => {
    const weights = fill(new Float32Array(layout.weightCount), 1)
    const before = weights.slice()
    const optimizer = createOptimizer(OPTIMIZERS.sgd, layout)
    const sum = fill(new Float32Array(LENGTH), 2)
    sum[layout.trainableCount - 1] = NaN
    assert.equal(
      withThreads(3, () => applyGradient({ weights, optimizer, step: 0 }, sum, layout, config({}), 10)),
      undefined,
    )
    assert.ok(bytesOf(weights).equals(bytesOf(before)))
  })

  it('finds the first bad value, whichever thread finds one first', () => {
    const vector = new Float32Array(LENGTH)
    withThreads(3, () => {
      assert.equal(firstBadValue(vector), -1)
      for (const index of [LENGTH - 1, SLICE_LENGTH + 5, SLICE_LENGTH + 4, 0]) {
        vector[index] = Infinity
        for (let time = 0; time < 20; time++) assert.equal(firstBadValue(vector), index)
      }
    })
  })

  it('reads a file, and reports that it is too short', () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-vectors-'))
    const file = path.join(directory, 'vector')
    const expected = fill(new Float32Array(LENGTH), 3)
    writeFileSync(file, bytesOf(expected))
    const descriptor = openSync(file, 'r')
    try {
      const loops = nativeLoops()!
      for (const threads of [1, 3]) {
        const vector = new Float32Array(LENGTH)
        assert.equal(loops.read(descriptor, vector, LENGTH, threads), true)
        assert.ok(bytesOf(vector).equals(bytesOf(expected)))
        assert.equal(loops.read(descriptor, new Float32Array(LENGTH + 1), LENGTH + 1, threads), false)
      }
    } finally {
      closeSync(descriptor)
      rmSync(directory, { recursive: true })
    }
  })
})

/** Adds vectors on several threads of the addon, from a Node thread or a process of its own. */
const ADDS = `
  const { addInto } = await import(${JSON.stringify(new URL('../../../src/shared/reduction-tree.js', import.meta.url).href)})
  const left = new Float32Array(${LENGTH}).fill(1)
  const right = new Float32Array(${LENGTH}).fill(2)
  for (let time = 0; time < 50; time++) addInto(left, right, 3)
  if (!left.every((value) => value === 101)) throw new Error('a wrong sum')
`

describe('the threads of the addon', () => {
  it('serve several Node threads at once, and stay when these end', async () => {
    const adding = [0, 1, 2].map(async () => {
      const thread = new Thread(new URL(`data:text/javascript,${encodeURIComponent(ADDS)}`))
      const [status] = (await once(thread, 'exit')) as [number]
      return status
    })
    assert.deepEqual(await Promise.all(adding), [0, 0, 0])
  })

  it('outlive the Node thread that loaded the addon first, and end with the process', async () => {
    const thread = `
      import { Worker } from 'node:worker_threads'
      import { once } from 'node:events'
      import { readdirSync } from 'node:fs'
      const code = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(ADDS)}))
      const counts = []
      for (let time = 0; time < 3; time++) {
        await once(new Worker(code), 'exit')
        counts.push(readdirSync('/proc/self/task').length)
      }
      if (counts[2] !== counts[0]) throw new Error('threads of the addon: ' + counts)
      await import(code)
    `
    for (const ending of ['', 'process.exit(0)']) {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', thread + ending], { stdio: 'inherit' })
      assert.deepEqual(await once(child, 'exit'), [0, null])
    }
  })
})
