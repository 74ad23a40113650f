import { z } from 'zod'
import { augmentationSchema } from '../../data/sampling/augmentation.js'

/** The largest value of counters that travel as unsigned 32-bit integers. */
const UINT32_MAX = 0xffffffff

export const NETWORK_NAMES = [
  'resnet8',
  'resnet20',
  'resnet32',
  'resnet44',
  'resnet56',
  'resnet110',
  'resnet18',
  'seed',
] as const

export const PRECISIONS = ['float32', 'bfloat16'] as const
export type Precision = (typeof PRECISIONS)[number]

const networkSchema = z.strictObject({
  name: z.enum(NETWORK_NAMES),
  /** L2 factor on every kernel: the loss has `reg · sum(w²)`. */
  reg: z.number().min(0).max(1).default(0),
  /** Share of activations that dropout zeroes inside each residual block. */
  dropoutRate: z.number().min(0).max(0.95).default(0),
})

const optimizerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('sgd'),
    momentum: z.number().min(0).lt(1).default(0.9),
    nesterov: z.boolean().default(true),
  }),
  z.strictObject({
    kind: z.literal('adamw'),
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.999),
    epsilon: z.number().positive().max(1).default(1e-8),
    /** Decoupled weight decay (Loshchilov and Hutter 2019), times the learning rate; kernels only. */
    weightDecay: z.number().min(0).max(1).default(0.05),
  }),
])

const scheduleSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('one-cycle'),
    peak: z.number().positive().max(100),
    /** Share of all steps spent rising to the peak. */
    warmup: z.number().min(0).max(1).default(0.25),
    /** Learning rate at the first step, as a share of the peak; without warm-up the first step has the peak. */
    initial: z.number().min(0).max(1).default(0.1),
    /** Learning rate at the last step, as a share of the peak; where all is warm-up the last step has the peak. */
    final: z.number().min(0).max(1).default(0.001),
  }),
  z.strictObject({
    kind: z.literal('cosine'),
    peak: z.number().positive().max(100),
    /** Share of all steps of linear warm-up. */
    warmup: z.number().min(0).max(1).default(0.05),
    final: z.number().min(0).max(1).default(0),
  }),
  z.strictObject({
    kind: z.literal('step'),
    initial: z.number().positive().max(100),
    /** Shares of all steps at which the rate is multiplied by `factor`, once for each. */
    milestones: z.array(z.number().gt(0).lt(1)).max(100).default([0.5, 0.75]),
    factor: z.number().positive().lt(1).default(0.1),
  }),
])

/**
 * Everything that decides the weights, and nothing else. Two runs with equal RunConfig (and equal data fingerprint)
 * end with the same bits, whatever the workers, addresses and directories.
 */
export const runConfigSchema = z
  .strictObject({
    seed: z.int().min(0).max(UINT32_MAX).default(1),
    network: networkSchema,
    /** Samples per step, over all workers. */
    batchSize: z.int().min(1).max(1_048_576).default(128),
    /** Samples per shard: the unit of work, of batch normalisation, of retry and of reduction. */
    shardSize: z.int().min(1).max(65_536).default(32),
    epochs: z.int().min(1).max(100_000),
    /** Stop after this many steps although the epochs are not over; null means never. The schedule keeps its length. */
    maxSteps: z.int().min(1).max(UINT32_MAX).nullable().default(null),
    optimizer: optimizerSchema,
    schedule: scheduleSchema,
    /** What convolutions and the ops between them compute in; weights, statistics, loss and sums are float32 either way. */
    precision: z.enum(PRECISIONS).default('float32'),
    labelSmoothing: z.number().min(0).lt(1).default(0),
    /** Largest L2 norm of the averaged gradient; null means no clipping. */
    clipNorm: z.number().positive().max(1e6).nullable().default(null),
    augmentation: augmentationSchema,
    /** Spread every class evenly over train, validation and test. */
    stratified: z.boolean().default(false),
    /** Samples per evaluation shard. */
    evaluationShardSize: z.int().min(1).max(65_536).default(100),
  })
  .check((context) => {
    const { batchSize, shardSize } = context.value
    const isSound = !context.issues.some(({ path }) => path?.[0] === 'batchSize' || path?.[0] === 'shardSize')
    if (isSound && batchSize % shardSize !== 0) {
      context.issues.push({
        code: 'custom',
        input: batchSize,
        path: ['batchSize'],
        message: `${batchSize} is not a multiple of shardSize ${shardSize}; use ${Math.max(1, Math.floor(batchSize / shardSize)) * shardSize}, or a shardSize that divides it`,
      })
    }
  })

export type RunConfig = z.output<typeof runConfigSchema>
export type RunConfigInput = z.input<typeof runConfigSchema>
export type NetworkConfig = z.output<typeof networkSchema>
export type NetworkName = (typeof NETWORK_NAMES)[number]
export type OptimizerConfig = z.output<typeof optimizerSchema>
export type ScheduleConfig = z.output<typeof scheduleSchema>
