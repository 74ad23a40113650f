import type { LayersModel, Logs } from '@tensorflow/tfjs'
import { ConvoyError } from '../shared/errors.js'
import type { Targets, Values } from './values.js'

/** Called as by `model.fit`, with what it logs. What they return is awaited; training goes on meanwhile. */
export interface FitCallbacks {
  onTrainBegin?(logs?: Logs): void | Promise<void>
  onTrainEnd?(logs?: Logs): void | Promise<void>
  onEpochBegin?(epoch: number, logs?: Logs): void | Promise<void>
  onEpochEnd?(epoch: number, logs?: Logs): void | Promise<void>
  onBatchBegin?(batch: number, logs?: Logs): void | Promise<void>
  onBatchEnd?(batch: number, logs?: Logs): void | Promise<void>
  /** Of a `tf.Callback`. */
  setParams?(params: object): void
  setModel?(model: LayersModel): void
}

/** Of {@link fit}. Those that `model.fit` has mean the same: docs/guides/fit.md has the differences. */
export interface FitArgs {
  /** @default 1 */
  readonly epochs?: number
  /** Index of the first epoch, for callbacks and the history. @default 0 */
  readonly initialEpoch?: number
  /** @default 32 */
  readonly batchSize?: number
  /** Samples whose gradients are computed together; has to divide the batch size. @default all of it for a small model, up to a quarter for a large one */
  readonly shardSize?: number
  /** Share of the samples, the last ones, that is validated on and not trained on. */
  readonly validationSplit?: number
  readonly validationData?: readonly [x: Values | readonly Values[], y: Targets]
  /** What the loss of a sample is multiplied by, by its class: of one output of classes, or of yes (1) and no (0). @default 1 */
  readonly classWeight?: Readonly<Record<number, number>>
  /** What the loss of each sample is multiplied by, `[samples]`, 0 or more. @default 1 */
  readonly sampleWeight?: Values
  readonly callbacks?: FitCallbacks | readonly FitCallbacks[]
  /** 0: no lines on standard error. @default 1 */
  readonly verbose?: 0 | 1 | 2
  /** Of every random choice. @default 1 */
  readonly seed?: number
  /** Worker processes; they do not change the result. @default one for each GPU; one for each core where that is faster than one process */
  readonly workers?: number
  /** `host:port` at which workers of other machines join (`convoy worker --join`). @default only this machine computes */
  readonly listen?: string
  /** Needed where `listen` is no address of this machine alone: connections are neither encrypted nor authenticated. */
  readonly insecure?: boolean
  /** Path of a module with the custom layers, losses and metrics of the model, which have the names that it is compiled with. */
  readonly custom?: string
  /** @default 'float32' */
  readonly precision?: 'float32' | 'bfloat16'
  /** Directory where the run directory stays. @default it is removed */
  readonly runsDir?: string
  /** Ends the training; `fit` rejects with its reason. */
  readonly signal?: AbortSignal
}

/** `yieldEvery` of model.fit has no meaning here: nothing blocks the program. */
const KNOWN: ReadonlySet<string> = new Set<keyof FitArgs | 'yieldEvery'>([
  ...(['epochs', 'initialEpoch', 'batchSize', 'shardSize', 'validationSplit', 'validationData'] as const),
  ...(['classWeight', 'sampleWeight', 'listen', 'insecure', 'custom'] as const),
  ...(['callbacks', 'verbose', 'seed', 'workers', 'precision', 'runsDir', 'signal', 'yieldEvery'] as const),
])

/** @throws ConvoyError('usage') for an argument that would be ignored, such as one of `model.fit` that is not supported yet */
export function checkFitArgs(args: object): void {
  const given = Object.entries(args).filter(([, value]) => value !== undefined)
  const unknown = given.find(([name, value]) => !KNOWN.has(name) && !(name === 'shuffle' && value === true))
  if (unknown !== undefined)
    throw new ConvoyError('usage', `fit: the argument ${unknown[0]} is not supported yet; leave it out.`)
}

/** What `model.fit` returns, as far as it is data. */
export interface FitHistory {
  /** Indices of the epochs. */
  readonly epoch: number[]
  /** A value for each epoch: `loss`, `acc` or `mae`, and with validation the same as `val_loss` and so on;
   * with several outputs those of each, such as `price_loss`. */
  readonly history: Record<string, number[]>
}
