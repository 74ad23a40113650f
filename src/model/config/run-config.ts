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
  name: z.enum(NETWORK_NAMES).describe('network to train'),
  reg: z.number().min(0).max(1).default(0).describe('L2 factor of the kernels: adds reg · sum(w²) to the loss'),
  dropoutRate: z
    .number()
    .min(0)
    .max(0.95)
    .default(0)
    .describe('share of activations that dropout zeroes inside each residual block'),
})

const OPTIMIZER_KIND = 'optimizer; another one than that of the recipe begins with its own defaults'
const SCHEDULE_KIND = 'learning rate schedule; another one than that of the recipe keeps only the highest learning rate'
const PEAK = "the schedule's highest learning rate"

const optimizerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('sgd').describe(OPTIMIZER_KIND),
    momentum: z
      .number()
      .min(0)
      .lt(1)
      .default(0.9)
      .describe('share of the velocity that is kept from one step to the next'),
    nesterov: z.boolean().default(true).describe("use Nesterov's form of momentum"),
  }),
  z.strictObject({
    kind: z.literal('adamw').describe(OPTIMIZER_KIND),
    beta1: z.number().min(0).lt(1).default(0.9).describe('decay of the moving mean of the gradient'),
    beta2: z.number().min(0).lt(1).default(0.999).describe('decay of the moving mean of the squared gradient'),
    epsilon: z.number().positive().max(1).default(1e-8).describe('added to the denominator of the update'),
    weightDecay: z
      .number()
      .min(0)
      .max(1)
      .default(0.05)
      .describe('decoupled weight decay (Loshchilov and Hutter 2019), times the learning rate; kernels only'),
  }),
])

const scheduleSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('one-cycle').describe(SCHEDULE_KIND),
    peak: z.number().positive().max(100).describe(PEAK),
    warmup: z.number().min(0).max(1).default(0.25).describe('share of all steps in which the rate rises to the peak'),
    initial: z
      .number()
      .min(0)
      .max(1)
      .default(0.1)
      .describe('learning rate at the first step, as a share of the peak; without warm-up the first step has the peak'),
    final: z
      .number()
      .min(0)
      .max(1)
      .default(0.001)
      .describe(
        'learning rate at the last step, as a share of the peak; with warm-up in all steps the last step has the peak',
      ),
  }),
  z.strictObject({
    kind: z.literal('cosine').describe(SCHEDULE_KIND),
    peak: z.number().positive().max(100).describe(PEAK),
    warmup: z
      .number()
      .min(0)
      .max(1)
      .default(0.05)
      .describe('share of all steps in which the rate rises linearly to the peak'),
    final: z.number().min(0).max(1).default(0).describe('learning rate at the last step, as a share of the peak'),
  }),
  z.strictObject({
    kind: z.literal('step').describe(SCHEDULE_KIND),
    initial: z.number().positive().max(100).describe(`${PEAK}, used from the first step to the first milestone`),
    milestones: z
      .array(z.number().gt(0).lt(1))
      .max(100)
      .default([0.5, 0.75])
      .describe('shares of all steps at which the rate is multiplied by the factor, once for each'),
    factor: z.number().positive().lt(1).default(0.1).describe('multiplies the learning rate at each milestone'),
  }),
])

/**
 * Everything that decides the weights, and nothing else. Two runs with equal RunConfig (and equal data fingerprint)
 * end with the same bits, whatever the workers, addresses and directories.
 */
export const runConfigSchema = z
  .strictObject({
    seed: z.int().min(0).max(UINT32_MAX).default(1).describe('seed of every random choice'),
    network: networkSchema,
    batchSize: z
      .int()
      .min(1)
      .max(1_048_576)
      .default(128)
      .describe('samples per step, over all workers; a multiple of shardSize'),
    shardSize: z
      .int()
      .min(1)
      .max(65_536)
      .default(32)
      .describe('samples per shard: the unit of work, of batch normalisation, of retry and of reduction'),
    epochs: z.int().min(1).max(100_000).describe('passes over the training samples'),
    maxSteps: z
      .int()
      .min(1)
      .max(UINT32_MAX)
      .nullable()
      .default(null)
      .describe('stop after this many steps; the schedule keeps its length. null: train all epochs'),
    optimizer: optimizerSchema,
    schedule: scheduleSchema,
    precision: z
      .enum(PRECISIONS)
      .default('float32')
      .describe(
        'number format of convolutions and the ops between them; weights, statistics, loss and sums are float32',
      ),
    labelSmoothing: z.number().min(0).lt(1).default(0).describe('share of each target that is spread over all classes'),
    clipNorm: z
      .number()
      .positive()
      .max(1e6)
      .nullable()
      .default(null)
      .describe('largest L2 norm of the averaged gradient. null: no clipping'),
    augmentation: augmentationSchema,
    stratified: z.boolean().default(false).describe('give train, validation and test the same share of every class'),
    evaluationShardSize: z.int().min(1).max(65_536).default(100).describe('samples per shard of an evaluation'),
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
