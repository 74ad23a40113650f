import { pathToFileURL } from 'node:url'
import type * as tfjs from '@tensorflow/tfjs'
import type { Column } from '../../data/dataset.js'
import { ConvoyError } from '../../shared/errors.js'
import { leafLayers, outputLayer } from '../layer-support.js'
import { tf } from '../networks/tfjs.js'
import type { ModelSource } from './model-source.js'
import { readSaved, readWeights } from './model-source.js'

/** What the function that a module exports gets. */
export interface ModelRequest {
  /** TensorFlow.js, to build the model with. */
  readonly tf: typeof tf
  /** Of one sample: `[height, width, channel]` of an image, otherwise the shape of the first input. */
  readonly inputShape: readonly number[]
  /** Of all inputs, in the order of the data set. */
  readonly inputShapes: readonly (readonly number[])[]
  /** Number of outputs: of classes, or of numbers to learn. */
  readonly outputCount: number
  /** 0: the outputs are numbers. */
  readonly classCount: number
}

/** What a model has to take and give to fit a data set. */
export interface ModelNeeds {
  readonly inputs: readonly Pick<Column, 'name' | 'shape'>[]
  readonly outputCount: number
  readonly hasClasses: boolean
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
 * @throws ConvoyError('usage') when it cannot be built, or does not fit the images or the classes
 */
export async function buildOwnModel(source: ModelSource, needs: ModelNeeds): Promise<OwnModel> {
  tf.enableProdMode()
  const model = source.kind === 'module' ? await runModule(source, needs) : await loadSaved(source)
  checkFit(model, source, needs)
  return { model: asFunctional(model, source), hasWeights: source.kind === 'saved' }
}

/** A sequence of layers is described like any other model. */
function asFunctional({ inputs, outputs }: tfjs.LayersModel, { file, name }: ModelSource): tfjs.LayersModel {
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

/** The model of a description, with any weights. */
export async function modelFromTopology(topology: object): Promise<tfjs.LayersModel> {
  return tf.models.modelFromJSON(topology as Parameters<typeof tf.models.modelFromJSON>[0])
}

async function runModule({ file }: ModelSource, needs: ModelNeeds): Promise<tfjs.LayersModel> {
  let built: unknown
  try {
    const { default: build } = (await import(pathToFileURL(file).href)) as {
      default?: (request: ModelRequest) => unknown
    }
    if (typeof build !== 'function')
      throw new Error(
        'it has no default export that is a function: export default ({ tf, inputShape, outputCount }) => …',
      )
    const { inputs, outputCount, hasClasses } = needs
    const inputShapes = inputs.map(({ shape }) => shape)
    const classCount = hasClasses ? outputCount : 0
    built = await build({ tf, inputShape: inputShapes[0]!, inputShapes, outputCount, classCount })
  } catch (error) {
    throw new ConvoyError('usage', `--model ${file}: ${(error as Error).message.replace(/\.$/, '')}.`, { cause: error })
  }
  if (!isModel(built)) throw new ConvoyError('usage', `--model ${file}: its function returns no tf.LayersModel.`)
  return built
}

async function loadSaved({ file: directory }: ModelSource): Promise<tfjs.LayersModel> {
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

function checkFit(model: tfjs.LayersModel, { file }: ModelSource, needs: ModelNeeds): void {
  const { inputs, outputCount, hasClasses } = needs
  const wrong = (problem: string): ConvoyError => new ConvoyError('usage', `--model ${file}: ${problem}.`)
  if (model.inputs.length !== inputs.length || model.outputs.length !== 1)
    throw wrong(
      `it has ${model.inputs.length} inputs and ${model.outputs.length} outputs; the data set needs ${inputs.length} and one`,
    )
  for (const [index, { shape }] of inputs.entries()) {
    const problem = inputProblem(model.inputs[index]!.shape.slice(1), shape, needs.hasImages)
    if (problem !== undefined) throw wrong(problem)
  }
  const output = model.outputs[0]!.shape.slice(1)
  if (output.join() !== `${outputCount}`)
    throw wrong(
      `its output is ${output.join(' x ')}, and the data set has ${outputCount} ${hasClasses ? 'classes' : 'numbers to learn'}; give the last layer outputCount units, ${outputCount}`,
    )
  const { activation } = outputLayer(model).getConfig()
  if (hasClasses && activation !== undefined && activation !== 'softmax' && activation !== 'linear')
    throw wrong(`its last activation is ${JSON.stringify(activation)}; end it with softmax, or with none`)
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
