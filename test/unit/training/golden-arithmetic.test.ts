import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { applyGradient } from '../../../src/training/apply-gradient.js'
import { learningRate } from '../../../src/training/schedules/schedules.js'
import { createOptimizer } from '../../../src/training/optimizers/optimizer.js'
import type { ParameterLayout, ParameterTensor } from '../../../src/model/parameter-layout.js'
import { gradientLength } from '../../../src/model/parameter-layout.js'
import type { RunConfig } from '../../../src/model/config/run-config.js'
import type { ScheduleConfig } from '../../../src/training/schedules/schedules.js'
import { runConfigSchema } from '../../../src/model/config/run-config.js'
import { philox } from '../../../src/shared/philox.js'
import { ReductionTree } from '../../../src/shared/reduction-tree.js'

// Hashes of values that docs/reference/semantics.md defines to the last bit, from the sum over the shards to the moving statistics.
// An independent Python program written from that page gives the same hashes. A change that alters one alters every run's weights.

const STEPS = 300
const SHARDS = 5
const SHARD_SIZE = 3

const layout = layoutOf(
  { name: 'conv/kernel', shape: [3, 7], l2: 0.001 },
  { name: 'norm/gamma', shape: [7], l2: 0 },
  { name: 'logits/kernel', shape: [7, 2], l2: 0.001 },
  { name: 'logits/bias', shape: [2], l2: 0 },
  { name: 'norm/moving_mean', shape: [7], l2: 0, trainable: false },
)

function layoutOf(
  ...tensors: (Pick<ParameterTensor, 'name' | 'shape' | 'l2'> & { trainable?: boolean })[]
): ParameterLayout {
  let weightCount = 0
  const placed = tensors.map((tensor): ParameterTensor => {
    const size = tensor.shape.reduce((product, length) => product * length, 1)
    weightCount += size
    const rest = { trainable: true, initializer: { kind: 'constant', value: 0 } } as const
    return { ...rest, ...tensor, size, offset: weightCount - size }
  })
  const sizes = placed.map(({ trainable, size }) => (trainable ? size : 0))
  const trainableCount = sizes.reduce((sum, size) => sum + size, 0)
  return { tensors: placed, trainableCount, weightCount, statisticsMomentum: 0.9 }
}

const words = new Uint32Array(4)

/** Element `index` of vector `vector`, in [-1, 1): 24 bits, exact in float32. */
function noise(vector: number, index: number): number {
  philox(words, 2026, 17, index >>> 2, vector, 0, 0)
  return (words[index & 3]! >>> 8) / 2 ** 23 - 1
}

/** A shard's vector: noise plus a pull towards zero, so that an error in one step affects all later ones. */
function shardVector(step: number, shard: number, weights: Float32Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: gradientLength(layout) },
    (_, index) => Math.fround((weights[index] ?? 1) + noise(1 + step * SHARDS + shard, index)) * SHARD_SIZE,
  )
}

interface Trained {
  readonly weights: Float32Array
  /** The gradient's norm and the loss of each step. */
  readonly norms: Float64Array
  readonly losses: Float64Array
}

function train(changes: object): Trained {
  const config: RunConfig = runConfigSchema.parse({
    ...{ network: { name: 'resnet8' }, batchSize: SHARDS * SHARD_SIZE, shardSize: SHARD_SIZE, epochs: 1 },
    ...{ optimizer: { kind: 'sgd' }, schedule: { kind: 'one-cycle', peak: 0.1 }, augmentation: {} },
    ...changes,
  })
  const weights = Float32Array.from({ length: layout.weightCount }, (_, index) => noise(0, index))
  const optimizer = createOptimizer(config.optimizer, layout)
  const [norms, losses] = [new Float64Array(STEPS), new Float64Array(STEPS)]
  for (let step = 0; step < STEPS; step++) {
    const tree = new ReductionTree(SHARDS)
    // The last shard comes first.
    let sum: Float32Array | undefined
    for (let shard = SHARDS - 1; shard >= 0; shard--) sum = tree.add(shard, 1, shardVector(step, shard, weights))
    const outcome = applyGradient({ weights, optimizer, step }, sum!, layout, config, STEPS)!
    norms[step] = outcome.gradientNorm
    losses[step] = outcome.loss
  }
  return { weights, norms, losses }
}

function sha256(numbers: Float32Array | Float64Array): string {
  return createHash('sha256').update(new Uint8Array(numbers.buffer)).digest('hex')
}

/** Hash of the losses, which depend on no setting. */
const LOSSES = '277bd52648575fff511256f9d4382ed057125f63dd938c7a1493b65c4d8285f5'
const SGD = { kind: 'sgd', momentum: 0.9, nesterov: false }
const RUNS: Record<string, { changes: object; weights: string; norms: string }> = {
  'SGD with momentum': {
    changes: { optimizer: SGD },
    weights: 'bfc5ca715f86a2b1b0f9759993d81125b3b1e6a20d42253877d89a22c29e9318',
    norms: 'd82ff40af5cef03208d7e63e8dcdeec0048e4044276f5c7519fdd0c19e4d2463',
  },
  'SGD with Nesterov momentum': {
    changes: { optimizer: { ...SGD, nesterov: true } },
    weights: '732b96ab48bd64a0cce98aa4a670d8d4b5947c72668c7de997a32941cf04eda3',
    norms: '47487fe6d7f56d607bf6de9a40970d58b0833d78876384cf8f48dd6c9775edaa',
  },
  'SGD without momentum, on the step schedule': {
    changes: { optimizer: { ...SGD, momentum: 0 }, schedule: { kind: 'step', initial: 0.05 } },
    weights: 'beb0565fa4de7c575786fa6ddb9a3ea3aba6a06ba32e81053f3ec8a801257349',
    norms: '4b2a8b59df72162caa6d4d77bd15feff4ba5fe44915a13697268f49b90d02890',
  },
  AdamW: {
    changes: { optimizer: { kind: 'adamw' }, schedule: { kind: 'cosine', peak: 0.01 } },
    weights: '712f08406ded71d69b0f71b9e61d1ce8671967aed7a3e1b6b1e6659e2f48097b',
    norms: '3e30073daf03a60a4d762d5c31bfdc7aeb68a2f4d8f78b5700788a977753a637',
  },
  RMSProp: {
    changes: { optimizer: { kind: 'rmsprop' }, schedule: { kind: 'one-cycle', peak: 0.01 } },
    weights: '06c1e800398d5510f06244e826f11890c8d35c4d1fc18c50960b86bc6a852056',
    norms: '55261f870a2fb49c9e315e7343f565abb31499769d1fffa91db4cf2ee14c370d',
  },
  // Epsilon is above the variance of some elements in some steps.
  'centered RMSProp with momentum': {
    changes: {
      optimizer: { kind: 'rmsprop', momentum: 0.9, epsilon: 0.01, centered: true },
      schedule: { kind: 'one-cycle', peak: 0.01 },
    },
    weights: '16a479791bfe60ffaf0c39b2ef92fb2ee2ba1348f33560757b358cbccf76db9d',
    norms: '85b768e2ff17f4ec66146ac8a7be455900f34419d7cc28770ecdc47bf588a197',
  },
  AdaGrad: {
    changes: { optimizer: { kind: 'adagrad' } },
    weights: 'a662f6f9823800900e59748acbd4b8bd861aa31dd488c07d1d09763c4c0ab0a6',
    norms: 'aaa5d71cf66e0e1efbeec1e9c4d3f5fa976c925d63dc5f9c68e7107d60ef44a8',
  },
  Adadelta: {
    changes: { optimizer: { kind: 'adadelta' }, schedule: { kind: 'one-cycle', peak: 1 } },
    weights: '54f6f66e3a8edc0cccbe690db62220c5ba6b0c41911de3d1e6067f877a0652fd',
    norms: 'a6ab4b2e77e82fd8a1a0068cf5454a053762cde672a4cc13cf7fde6a4427e0bc',
  },
  'AdaMax with decay': {
    changes: { optimizer: { kind: 'adamax', decay: 0.01 }, schedule: { kind: 'one-cycle', peak: 0.05 } },
    weights: 'cf02cfa5925afaef443f32613961bffc7fd1a6e3dec0e1bcad5f0dff722faa04',
    norms: '2fb79245dc5164d9ce7203088aab51343eace08ca145a0348e701d18bdd1165b',
  },
  // The norm is below the limit in some steps and above it in the others.
  'SGD with clipping in some steps': {
    changes: { optimizer: { ...SGD, nesterov: true }, clipNorm: 1.7 },
    weights: '2716b89fb8059f59a094b49750b83ce252e4be6e076c02eb6e88d5b2408f07f4',
    norms: 'a21539a1b13cef99a0798e6b1fae8f3f0c342c8224e8f9f414bc9ac0101a8f0c',
  },
  'AdamW with clipping in some steps': {
    changes: { optimizer: { kind: 'adamw', weightDecay: 0.3 }, clipNorm: 1.8 },
    weights: '447a5099d7c5f13086a0fd473c96c52857cea5778176380354356b3fd4992f7b',
    norms: '136a12a753786adafd82078b176735d824cae1d29f78153bdc24d6031abf1bf5',
  },
}

describe(`the weights after ${STEPS} steps are those of semantics.md, with`, () => {
  for (const [name, { changes, weights, norms }] of Object.entries(RUNS)) {
    it(name, () => {
      const { weights: trained, norms: measured, losses } = train(changes)
      const { clipNorm } = changes as { clipNorm?: number }
      if (clipNorm !== undefined) {
        const clipped = measured.filter((norm) => norm > clipNorm).length
        assert.ok(clipped > STEPS / 10 && clipped < STEPS - STEPS / 10, `${clipped} steps are clipped`)
      }
      assert.deepEqual([trained, measured, losses].map(sha256), [weights, norms, LOSSES])
    })
  }
})

const SCHEDULES: [schedule: ScheduleConfig, sha256: string][] = [
  [
    { kind: 'one-cycle', peak: 0.8, warmup: 0.2, initial: 0.1, final: 0.001 },
    '5c1d8eaaba7597c544c88e73f22f44e07da5fbae00bb7e48e2de46dbdda22f42',
  ],
  [
    { kind: 'one-cycle', peak: 0.8, warmup: 0, initial: 0.1, final: 0.001 },
    '1f84790e9e328ab7ace1e84d31ac0d1814329a7289d109e8f6230adab4f90dd4',
  ],
  [
    { kind: 'one-cycle', peak: 0.8, warmup: 1, initial: 0.1, final: 0.001 },
    '2829d496c6a0208de4ae546d79e3daf6f6bf271ca2295e92cb8c5c855fab2472',
  ],
  [
    { kind: 'cosine', peak: 0.4, warmup: 0.05, final: 0.01 },
    'dbcf5153764668ff260b9fbd5e69ec7a3b1fd7d777ae9a9693fa704a5c31e752',
  ],
  [
    { kind: 'step', initial: 0.1, milestones: [0.75, 0.25, 0.5], factor: 0.2 },
    'a7e5003be0950b6b4349e6ab56732c521428baf0864b157a59cfd48a2e7cef35',
  ],
]

describe('the learning rates of all steps are those of semantics.md, on', () => {
  for (const [schedule, expected] of SCHEDULES) {
    it(JSON.stringify(schedule), () => {
      // A step falls on each milestone exactly.
      const rates = Float64Array.from({ length: 301 }, (_, step) => learningRate(schedule, step, 301))
      assert.equal(sha256(rates), expected)
    })
  }
})

it('the sum over other numbers of shards is that of the reduction tree', () => {
  const hash = createHash('sha256')
  for (const shards of [1, 2, 3, 6, 7, 8, 13]) {
    const tree = new ReductionTree(shards)
    let sum: Float32Array | undefined
    for (let shard = 0; shard < shards; shard++) {
      // Values of very different magnitude: any other order of additions gives other bits.
      const vector = Float32Array.from({ length: 16 }, (_, index) => noise(shard, index) * 10 ** ((shard + index) % 7))
      sum = tree.add(shard, 1, vector)
    }
    hash.update(new Uint8Array(sum!.buffer))
  }
  assert.equal(hash.digest('hex'), 'fe9ac9375f106554f79b367adb6790bf42428a9d9f933c64671a953fb45c3994')
})

it('the norm of a long vector is the sum over its slices', () => {
  const length = 2 ** 21 + 1_003
  const long = layoutOf({ name: 'kernel', shape: [1, length], l2: 0.001 })
  const config = runConfigSchema.parse({
    ...{ network: { name: 'resnet8' }, batchSize: 6, shardSize: 3, epochs: 1, augmentation: {} },
    ...{ optimizer: SGD, schedule: { kind: 'step', initial: 0.1 } },
  })
  const [weights, sum] = [new Float32Array(length), new Float32Array(length + 2)]
  // A cheap 16-bit sequence instead of random draws.
  for (let index = 0; index < length; index++) {
    weights[index] = ((index * 40_503) % 65_536) / 65_536
    sum[index] = ((index * 30_011) % 65_521) / 65_536 - 0.5
  }
  const optimizer = createOptimizer(config.optimizer, long)
  const { gradientNorm } = applyGradient({ weights, optimizer, step: 0 }, sum, long, config, 1)!
  assert.equal(gradientNorm, 69.69458502993504)
})
