import type { LayersModel } from '@tensorflow/tfjs'
import { hasPackedDataset } from '../data/cache/packed-cache.js'
import { packedBytes } from '../data/cache/packed-layout.js'
import { storeDataset } from '../data/cache/store-dataset.js'
import type { ArraysInfo, Dataset, Split } from '../data/dataset.js'
import { headerOnly, isImages } from '../data/dataset.js'
import { describeSamples } from '../data/describe-dataset.js'
import { openFoundDataset } from '../data/open-dataset.js'
import { splitDataset } from '../data/sampling/split.js'
import type { ModelTask } from '../model/describe-model.js'
import { describeModel } from '../model/describe-model.js'
import { asArrays, frozenTensors } from '../model/frozen-weights.js'
import { leafLayers } from '../model/layer-support.js'
import { leastWorkerBytes } from '../model/memory-need.js'
import { buildNetwork } from '../model/networks/networks.js'
import type { CustomCode } from '../model/own/custom-code.js'
import type { ModelSource } from '../model/own/model-source.js'
import type { ModelDescription, ParameterLayout } from '../model/parameter-layout.js'
import type { RunConfig } from '../model/config/run-config.js'
import type { RunDescription } from '../model/run-description.js'
import type { MakeCallbacks } from '../training/callbacks/own-callbacks.js'
import { ConvoyError } from '../shared/errors.js'
import { needsOf, planTask } from './plan-task.js'
import { runWarnings } from '../model/config/run-warnings.js'

/** A run whose data set is open and fits its model. Nothing is on disk yet, and nothing listens. */
export interface PlannedRun {
  readonly description: RunDescription
  readonly split: Split
  /** Where the data set came from, for messages; workers do not learn it. */
  readonly datasetFrom: string
  /** See {@link runWarnings}. */
  readonly warnings: readonly string[]
  /** See {@link leastWorkerBytes}. */
  readonly workerBytes: number
  /** Of a saved model, float32, `[layout.weightCount]`; undefined: they are drawn. */
  readonly initialWeights: Float32Array | undefined
  /** The user's; undefined: there are none. */
  readonly callbacks: MakeCallbacks | undefined
}

/** A model of the user's: as `--model` names it, or as a run has it that goes on. */
export type OwnModelOrigin =
  | { readonly source: ModelSource; readonly description?: undefined }
  | { readonly description: ModelDescription; readonly source?: undefined }

/**
 * Opens the data set and describes the model.
 * @param data a data set's name, fingerprint or path; undefined: the embedded CIFAR-10
 * @param report logs a line
 * @param own undefined: the network of the configuration
 * @throws errors of the data set and of the user's model
 */
export async function planRun(
  config: RunConfig,
  data: string | undefined,
  report: (line: string) => void,
  own?: OwnModelOrigin,
): Promise<PlannedRun> {
  const { dataset, from } = await openFoundDataset(data, (lines) => {
    lines.split('\n').forEach(report)
  })
  const header = headerOnly(dataset)
  const split = splitDataset(dataset, config.seed, config.stratified, config.validationSamples)
  const custom = config.custom && (await (await loadOwnModels()).loadCustomForModels(config.custom))
  const task = own?.description ?? planTask(config, dataset, split, custom)
  const { network, hasWeights } = await buildModel(config, dataset, task, own, custom)
  const customLayers = Object.keys(custom?.layers ?? {})
  const model = own?.description ?? (await freeze(describeModel(network, task, customLayers), network))
  checkFrozen(model)
  if (own?.source) await (await loadOwnModels()).checkTopology(network, model.topology, own.source)
  const workerBytes = leastWorkerBytes(network, packedBytes(dataset), config.shardSize)
  const initialWeights = hasWeights ? weightsOf(network, model.layout) : undefined
  network.dispose()
  return {
    description: { config, model, dataset: header },
    split,
    datasetFrom: from,
    warnings: runWarnings(dataset, split, config),
    ...{ workerBytes, initialWeights, callbacks: custom?.callbacks },
  }
}

/** Puts the values of frozen layers into the cache. */
async function freeze(model: ModelDescription, network: LayersModel): Promise<ModelDescription> {
  const frozen = frozenTensors(network)
  if (frozen === undefined) return model
  const stored = await storeDataset(asArrays(network.name, frozen.values), { nameIsChosen: false })
  return { ...model, frozen: { stored: stored as ArraysInfo, tensors: frozen.tensors } }
}

/** @throws ConvoyError('data') when a run that goes on lacks its frozen weights */
function checkFrozen({ frozen }: ModelDescription): void {
  if (frozen === undefined || hasPackedDataset(frozen.stored.fingerprint)) return
  throw new ConvoyError(
    'data',
    `The ${frozen.stored.name} (${frozen.stored.fingerprint.slice(0, 16)}) are not in the cache any more; start a run with that model anew (\`convoy train --model\`) to put them there, stop it, and resume this one.`,
  )
}

/** Loaded when it is needed: TensorFlow.js takes a second. */
async function loadOwnModels(): Promise<typeof import('../model/own/build-own-model.js')> {
  return import('../model/own/build-own-model.js')
}

async function buildModel(
  config: RunConfig,
  dataset: Dataset,
  task: ModelTask,
  own: OwnModelOrigin | undefined,
  custom: CustomCode | undefined,
): Promise<{ readonly network: LayersModel; readonly hasWeights: boolean }> {
  if (own === undefined) {
    if (!isImages(dataset))
      throw new ConvoyError(
        'usage',
        `--data: ${dataset.name} has ${describeSamples(dataset)}, and ${config.network.name} takes images. Give a model of your own with \`convoy train --model <module or directory>\`.`,
      )
    const { height, width, channels, classNames } = dataset
    return {
      network: await buildNetwork(config.network, [height, width, channels], classNames.length),
      hasWeights: false,
    }
  }
  const { buildOwnModel, modelFromTopology } = await loadOwnModels()
  if (own.description !== undefined)
    return { network: await modelFromTopology(own.description.topology), hasWeights: false }
  const { model, hasWeights } = await buildOwnModel(own.source, needsOf(dataset, task), custom)
  return { network: model, hasWeights }
}

/** The values that a model has, as the flat vector. */
function weightsOf(network: LayersModel, { tensors, weightCount }: ParameterLayout): Float32Array {
  const variables = new Map(
    leafLayers(network.layers).flatMap(({ layer }) => layer.weights.map((weight) => [weight.originalName, weight])),
  )
  const flat = new Float32Array(weightCount)
  for (const { name, offset } of tensors) flat.set(variables.get(name)!.read().dataSync<'float32'>(), offset)
  return flat
}
