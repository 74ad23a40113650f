import { z } from 'zod'
import { augmentationSchema } from '../../data/sampling/augmentation.js'
import { currentName, FORMER_NETWORK_NAMES } from './former-names.js'
import { NETWORK_NAMES } from '../networks/networks.js'
import type { NetworkName } from '../networks/networks.js'
import { optimizerSchema } from '../../training/optimizers/optimizers.js'
import { scheduleSchema } from '../../training/schedules/schedules.js'

/** The largest value of counters that travel as unsigned 32-bit integers. */
const UINT32_MAX = 0xffffffff

export const PRECISIONS = ['float32', 'bfloat16'] as const
export type Precision = (typeof PRECISIONS)[number]

const networkSchema = z.strictObject({
  name: z.enum([...NETWORK_NAMES, ...FORMER_NETWORK_NAMES]).transform((name) => currentName(name) as NetworkName),
  /** L2 factor on every kernel: the loss has `reg · sum(w²)`. */
  reg: z.number().min(0).max(1).default(0),
  /** Share of activations that dropout zeroes inside each residual block. */
  dropoutRate: z.number().min(0).max(0.95).default(0),
})

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
