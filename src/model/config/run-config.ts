import { z } from 'zod'
import { augmentationSchema } from '../../data/sampling/augmentation.js'
import { plateauSchema } from '../../training/callbacks/plateau.js'
import { optimizerSchema } from '../../training/optimizers/optimizers.js'
import { scheduleSchema } from '../../training/schedules/schedules.js'
import type { NetworkName } from '../networks/networks.js'
import { NETWORK_NAMES, OWN_NETWORK } from '../networks/networks.js'
import { NUMBER_LOSSES } from '../objectives/objective.js'
import { currentName, FORMER_NETWORK_NAMES } from './former-names.js'

/** The largest value of counters that travel as unsigned 32-bit integers. */
const UINT32_MAX = 0xffffffff

/** Number formats of gradients between shards and their sum. */
export const WIRES = ['float32', 'bfloat16'] as const
export type Wire = (typeof WIRES)[number]

export const PRECISIONS = ['float32', 'bfloat16'] as const
/** Number format of convolutions: `float32` or `bfloat16`. */
export type Precision = (typeof PRECISIONS)[number]

const networkSchema = z.strictObject({
  name: z
    .enum([...NETWORK_NAMES, OWN_NETWORK, ...FORMER_NETWORK_NAMES])
    .transform((name) => currentName(name) as NetworkName | typeof OWN_NETWORK)
    .describe('network to train'),
  reg: z.number().min(0).max(1).default(0).describe('L2 factor of the kernels: adds reg · sum(w²) to the loss'),
  dropoutRate: z
    .number()
    .min(0)
    .max(0.95)
    .default(0)
    .describe('share of activations that dropout zeroes inside each residual block'),
})

const lossSchema = z.string().regex(/^[A-Za-z]\w{0,63}$/, 'write the name of a loss')

/**
 * Everything that decides the weights, and nothing else. Two runs with equal RunConfig (and equal data fingerprint)
 * end with the same bits, on any workers, addresses and directories.
 */
export const runConfigSchema = z
  .strictObject({
    seed: z.int().min(0).max(UINT32_MAX).default(1).describe('seed of every random choice'),
    network: networkSchema,
    model: z
      .strictObject({
        name: z
          .string()
          .regex(/^[\w.-]{1,64}$/)
          .describe('name of the model of `convoy train --model`, which gives both values'),
        sha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .describe('sha256 of its files'),
      })
      .optional(),
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
    earlyStopping: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .describe('stop after this many epochs without a better validation. Absent: train all steps'),
    plateau: plateauSchema
      .optional()
      .describe('reduce the learning rate when the validation gets no better. Absent: the schedule alone decides it'),
    optimizer: optimizerSchema.describe('optimizer; another one than that of the recipe begins with its own defaults'),
    schedule: scheduleSchema.describe(
      'learning rate schedule; another one than that of the recipe keeps only the highest learning rate',
    ),
    precision: z
      .enum(PRECISIONS)
      .default('float32')
      .describe(
        'number format of convolutions and the ops between them; weights, statistics and loss are float32, sums what `wire` says',
      ),
    wire: z
      .enum(WIRES)
      // The configuration of a run of an earlier version has no wire.
      .transform((wire) => (wire === 'float32' ? undefined : wire))
      .optional()
      .describe(
        'number format of gradients from shard to sum: bfloat16 rounds those of every shard and of every sum of two, and halves the bytes of results on a network. Absent, as with float32: they are float32',
      ),
    custom: z
      .strictObject({
        name: z
          .string()
          .regex(/^[\w.-]{1,64}$/)
          .describe('name of the module with custom layers, losses, metrics and callbacks, which gives both values'),
        sha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .describe('sha256 of the module and of what it imports'),
      })
      .optional(),
    loss: lossSchema
      .optional()
      .describe(
        `loss (default: meanSquaredError; of classes, cross-entropy): ${NUMBER_LOSSES.join(', ')}, or the name of a custom one`,
      ),
    outputs: z
      .record(
        z.string(),
        z.strictObject({
          loss: lossSchema.optional(),
          weight: z.number().positive().max(1e6).optional(),
        }),
      )
      .optional()
      .describe(
        'of a model with several outputs, by the name of the target: loss, and weight of that loss in the sum (default: 1)',
      ),
    classWeights: z
      .union([z.literal('balanced'), z.record(z.string(), z.number().min(0).max(1e6))])
      .optional()
      .describe(
        'what the loss of a sample is multiplied by in training, by the name of its class (default: 1); balanced: the same sum for every class',
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
    validationSamples: z
      .int()
      .min(0)
      .max(UINT32_MAX)
      .optional()
      .describe(
        'validate on the last so many samples, train on all before them, and test on none; 0: do not validate either. Absent: 70/15/15',
      ),
    stratified: z.boolean().default(false).describe('give train, validation and test the same share of every class'),
    evaluationShardSize: z.int().min(1).max(65_536).default(100).describe('samples per shard of an evaluation'),
  })
  .check((context) => {
    const { network, model } = context.value
    const hasModel = (model as unknown) !== undefined
    if (context.issues.length === 0 && (network.name === OWN_NETWORK) !== hasModel)
      context.issues.push({
        code: 'custom',
        input: network.name,
        path: ['network', 'name'],
        message: hasModel
          ? 'the model of `convoy train --model` is the network; leave this out'
          : 'give a model of your own with `convoy train --model <module or directory>`',
      })
    if (context.issues.length === 0 && hasModel && network.reg + network.dropoutRate > 0)
      context.issues.push({
        code: 'custom',
        input: network,
        path: ['network', network.reg > 0 ? 'reg' : 'dropoutRate'],
        message: 'a model of your own has its regularisation and dropout in its layers; leave this out',
      })
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

/** What the run trains, for people. */
export function networkName({ network, model }: Pick<RunConfig, 'network' | 'model'>): string {
  return model?.name ?? network.name
}

export type RunConfigInput = z.input<typeof runConfigSchema>
