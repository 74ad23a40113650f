import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as tfjs from '@tensorflow/tfjs'
import type { Column } from '../../data/dataset.js'
import { ConvoyError } from '../../shared/errors.js'
import { counted } from '../../shared/units.js'
import { leafLayers, outputLayer } from '../layer-support.js'
import type { Objective } from '../objectives/objective.js'
import { containedActivation } from '../objectives/objective.js'
import type { CustomCode, CustomSource } from './custom-code.js'
import { loadCustomCode } from './custom-code.js'
import { modelOfZeros } from '../model-of-zeros.js'
import { tf } from '../networks/tfjs.js'
import type { ModelSource } from './model-source.js'
import { readSaved, readWeights, savedIn } from './model-source.js'

/** What the function that a module exports gets. */
export interface ModelRequest {
  /** TensorFlow.js, to build the model with. */
  readonly tf: typeof tf
  /** Of one sample: `[height, width, channel]` of an image, otherwise the shape of the first input. */
  readonly inputShape: readonly number[]
  /** Of all inputs, in the order of the data set. */
  readonly inputShapes: readonly (readonly number[])[]
  /** Units of the last layer: classes, or numbers to learn. Of the first output where there are several. */
  readonly outputCount: number
  /** 0: numbers are learnt. Of the first output where there are several. */
  readonly classCount: number
  /** Of all outputs, in the order of the data set. */
  readonly outputs: readonly { readonly name: string; readonly count: number; readonly hasClasses: boolean }[]
  /** Custom layers, by class name: what the export `custom` made. */
  readonly layers: CustomCode['layers']
  /** Loads a saved LayersModel, such as the `model/best` of a run. @param directory from that of the module */
  readonly load: (directory: string) => Promise<tfjs.LayersModel>
}

/** What a model has to take and give to fit a data set. */
export interface ModelNeeds {
  readonly inputs: readonly Pick<Column, 'name' | 'shape'>[]
  readonly outputs: readonly Objective[]
  /** Otherwise the samples are arrays. */
  readonly hasImages: boolean
}

/** A model of the user's, which fits the data set. */
export interface OwnModel {
  readonly model: tfjs.LayersModel
  /** Whether the model has its first weights: those of a saved model. Otherwise its initializers say how they are drawn. */
  readonly hasWeights: boolean
}

/**
 * Builds the model of `--model`.
 * @param custom see {@link loadCustomForModels}
 * @throws ConvoyError('usage') when it cannot be built, or does not fit the images or the classes
 */
export async function buildOwnModel(source: ModelSource, needs: ModelNeeds, custom?: CustomCode): Promise<OwnModel> {
  tf.enableProdMode()
  const built = source.kind === 'module' ? await runModule(source, needs, custom) : await loadSaved(source.file)
  const model = asFunctional(built, needs, source)
  checkFit(model, source, needs)
  return { model, hasWeights: source.kind === 'saved' }
}

/** A sequence of layers is described like any other model. Outputs that have the names of the targets are put in their order. */
function asFunctional(
  { inputs, outputs: given, outputNames }: tfjs.LayersModel,
  needs: ModelNeeds,
  { file, name }: ModelSource,
): tfjs.LayersModel {
  const places = needs.outputs.map((output) => outputNames.indexOf(output.name))
  const outputs = places.length === given.length && !places.includes(-1) ? places.map((place) => given[place]!) : given
  try {
    return tf.model({ inputs, outputs, name })
  } catch (error) {
    throw new ConvoyError(
      'usage',
      `--model ${file}: its layers do not make a model; build them with the tf that the function gets.`,
      { cause: error },
    )
  }
}

/** The model of a description; its weights are 0. */
export async function modelFromTopology(topology: object): Promise<tfjs.LayersModel> {
  return modelOfZeros(tf, topology)
}

/** Custom code for the TensorFlow.js that models are built with: before a model that has its layers. */
export async function loadCustomForModels(custom: CustomSource): Promise<CustomCode> {
  return (await loadCustomCode(custom, tf))!
}

async function runModule({ file }: ModelSource, needs: ModelNeeds, custom?: CustomCode): Promise<tfjs.LayersModel> {
  let built: unknown
  try {
    const { default: build } = (await import(pathToFileURL(file).href)) as {
      default?: (request: ModelRequest) => unknown
    }
    if (typeof build !== 'function')
      throw new Error(
        'it has no default export that is a function: export default ({ tf, inputShape, outputCount }) => …',
      )
    const inputShapes = needs.inputs.map(({ shape }) => shape)
    const outputs = needs.outputs.map((output) => ({
      ...{ name: output.name, count: output.size },
      hasClasses: output.kind === 'classes',
    }))
    const [{ count, hasClasses }] = outputs as [(typeof outputs)[number]]
    const classCount = hasClasses ? count : 0
    const load = async (directory: string): Promise<tfjs.LayersModel> =>
      loadSaved(savedIn(path.resolve(path.dirname(file), directory)))
    built = await build({
      tf,
      inputShape: inputShapes[0]!,
      inputShapes,
      outputCount: count,
      classCount,
      outputs,
      layers: custom?.layers ?? {},
      load,
    })
  } catch (error) {
    throw new ConvoyError('usage', `--model ${file}: ${(error as Error).message.replace(/\.$/, '')}.`, { cause: error })
  }
  if (!isModel(built)) throw new ConvoyError('usage', `--model ${file}: its function returns no tf.LayersModel.`)
  return built
}

async function loadSaved(directory: string): Promise<tfjs.LayersModel> {
  const { manifest } = readSaved(directory)
  const bytes = Buffer.concat(readWeights(directory, manifest))
  const artifacts = {
    modelTopology: manifest.modelTopology,
    weightSpecs: manifest.weightsManifest.flatMap(({ weights }) => weights),
    weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
  }
  try {
    return await tf.loadLayersModel(tf.io.fromMemory(artifacts as Parameters<typeof tf.io.fromMemory>[0]))
  } catch (error) {
    const { message } = error as Error
    throw new ConvoyError('usage', `--model ${directory}: it cannot be loaded: ${message.replace(/\.$/, '')}.`, {
      cause: error,
    })
  }
}

function checkFit(model: tfjs.LayersModel, { file }: ModelSource, { inputs, outputs, hasImages }: ModelNeeds): void {
  const wrong = (problem: string): ConvoyError => new ConvoyError('usage', `--model ${file}: ${problem}.`)
  if (model.inputs.length !== inputs.length || model.outputs.length !== outputs.length)
    throw wrong(
      `it has ${counted(model.inputs.length, 'input')} and ${counted(model.outputs.length, 'output')}; the data set needs ${inputs.length} and ${outputs.length}`,
    )
  for (const [index, { shape }] of inputs.entries()) {
    const problem = inputProblem(model.inputs[index]!.shape.slice(1), shape, hasImages)
    if (problem !== undefined) throw wrong(problem)
  }
  for (const [index, objective] of outputs.entries()) {
    const problem = outputProblem(model.outputs[index]!, objective, outputs.length > 1)
    if (problem !== undefined) throw wrong(problem)
  }
}

/** @returns undefined when an output of the model is what the objective needs */
function outputProblem(
  output: tfjs.LayersModel['outputs'][number],
  objective: Objective,
  areSeveral: boolean,
): string | undefined {
  const { name, size, kind } = objective
  const found = output.shape.slice(1)
  const what = areSeveral ? `output for ${name}` : 'output'
  const isFit =
    kind === 'classes' ? found.join() === `${size}` : found.reduce((all: number, one) => all * (one ?? 0), 1) === size
  if (!isFit)
    return `its ${what} is ${found.join(' x ')}, and the data set has ${size} ${kind === 'classes' ? 'classes' : 'numbers to learn'}; give the last layer ${areSeveral ? `outputs[…].count` : 'outputCount'} units, ${size}`
  const layer = outputLayer(output)
  const contained = containedActivation(objective)
  if (contained === undefined) return undefined
  const activation = layer.getClassName() === 'Softmax' ? 'softmax' : layer.getConfig()['activation']
  if (activation === undefined || activation === 'linear') return undefined
  if (activation !== contained)
    return `the last activation of its ${what} is ${JSON.stringify(activation)}; end it with ${contained}, or with none`
  if (layer.outboundNodes.length > 0)
    return `other layers use its ${what} after the ${contained}, which the loss contains; give them the layer before, and the output a layer of its own`
  return undefined
}

/** @returns undefined when an input of the model takes samples of this shape */
function inputProblem(
  input: readonly (number | null)[],
  shape: readonly number[],
  hasImages: boolean,
): string | undefined {
  const [found, needed] = [input.map((size) => size ?? '?').join(' x '), shape.join(' x ')]
  if (input.includes(null)) return `its input, ${found}, has an open size; build it for inputShape, ${needed}`
  if (input.join() === shape.join()) return undefined
  return hasImages
    ? `its input is ${found}, and the images of the data set are ${needed}; import them with \`convoy data import <path> --size ${input[0]}x${input[1]}\`, or build a model for inputShape`
    : `its input is ${found}, and that of the data set ${needed}; build the model for inputShape`
}

/**
 * Workers build the model from its topology, in which TensorFlow.js leaves some settings out, such as depthMultiplier.
 * @throws ConvoyError('usage') when they would build another one
 */
export async function checkTopology(model: tfjs.LayersModel, topology: object, { file }: ModelSource): Promise<void> {
  const rebuilt = await modelFromTopology(topology)
  const weightsOf = ({ layers }: tfjs.LayersModel): string[] =>
    leafLayers(layers).flatMap(({ layer }) =>
      layer.weights.map(({ originalName, shape }) => `${layer.name}: ${originalName} ${shape.join(' x ')}`),
    )
  const [before, after] = [weightsOf(model), weightsOf(rebuilt)]
  rebuilt.dispose()
  const changed = before.find((weight, index) => weight !== after[index])
  if (changed !== undefined)
    throw new ConvoyError(
      'usage',
      `--model ${file}: the layer ${changed} has a setting that TensorFlow.js does not store, so no worker could build it; leave that setting out.`,
    )
}

/** Whether it is used like one: a module may have its own copy of TensorFlow.js. */
function isModel(value: unknown): value is tfjs.LayersModel {
  const { inputs, outputs, layers, toJSON } = (value ?? {}) as Partial<tfjs.LayersModel>
  return Array.isArray(inputs) && Array.isArray(outputs) && Array.isArray(layers) && typeof toJSON === 'function'
}
