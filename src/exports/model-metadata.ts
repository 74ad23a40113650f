import type { Column, DatasetInfo } from '../data/dataset.js'
import { isImages } from '../data/dataset.js'
import type { ModelDescription } from '../model/parameter-layout.js'
import { imageShapeOf, objectivesOf } from '../model/parameter-layout.js'
import type { Objective } from '../model/objectives/objective.js'
import { containedActivation } from '../model/objectives/objective.js'
import type { RunDescription } from '../model/run-description.js'

/** Origin of the weights; absent where it is unknown, such as of weights that are saved for an inspection only. */
export interface WeightsOrigin {
  /** Name of the run directory. */
  readonly run?: string
  /** Which weights of the run. */
  readonly which?: 'best' | 'last'
  /** Of these weights, 0 to 1. */
  readonly validationAccuracy?: number
}

/** What a program that knows nothing of Convoy needs to use a model: how to make its input, and what its output means. */
export interface ModelMetadata {
  /** In the order of the output. Empty where that has numbers, or where there are several. */
  readonly classNames: readonly string[]
  readonly input: ImageInput | readonly Column[]
  /** Of the only output, or of each. */
  readonly output: OutputMeaning | readonly OutputMeaning[]
  /** What each output learnt; absent where that is the class alone. */
  readonly targets?: readonly Column[]
  readonly weights?: 'best' | 'last'
  /** Steps that made the weights. */
  readonly step: number
  readonly run?: string
  readonly validationAccuracy?: number
  readonly dataset: Pick<DatasetInfo, 'name' | 'fingerprint'>
  /** Version of Convoy. */
  readonly convoy: string
}

/** Numbers from 0 to 1 of classes or of yes; numbers that need a softmax or a sigmoid to be that; or numbers that were learnt. */
type OutputMeaning = 'probabilities' | 'logits' | 'numbers'

interface ImageInput {
  readonly height: number
  readonly width: number
  /** 1 is grey, 3 is RGB. */
  readonly channels: number
  /** Of the tensor: `[batch, height, width, channel]`. */
  readonly layout: 'NHWC'
  readonly colours: 'RGB' | 'grey'
  /** Of a pixel before it is scaled. */
  readonly pixelRange: readonly [0, 255]
  /** What each pixel is multiplied by; nothing is added. */
  readonly scale: number
  /** An image of another size is scaled until it covers the input, and cut at the centre. Transparent pixels lie on black. */
  readonly resize: { readonly fit: 'cover'; readonly crop: 'centre'; readonly kernel: 'lanczos3' }
}

export function modelMetadata(
  { model, dataset }: RunDescription,
  step: number,
  { run, which, validationAccuracy }: WeightsOrigin,
  version: string,
): ModelMetadata {
  const outputs = objectivesOf(model).map((objective, index) => meaningOf(model, objective, index))
  return {
    classNames: dataset.classNames,
    input: model.inputs ?? imageInput(model),
    output: outputs.length === 1 ? outputs[0]! : outputs,
    ...(!isImages(dataset) && dataset.targets.length > 0 && { targets: dataset.targets }),
    ...(which !== undefined && { weights: which }),
    step,
    ...(run !== undefined && { run }),
    ...(validationAccuracy !== undefined && { validationAccuracy }),
    dataset: { name: dataset.name, fingerprint: dataset.fingerprint },
    convoy: version,
  }
}

function imageInput(model: ModelDescription): ImageInput {
  const { height, width, channels } = imageShapeOf(model)
  return {
    ...{ height, width, channels, layout: 'NHWC', colours: channels === 1 ? 'grey' : 'RGB' },
    ...{ pixelRange: [0, 255], scale: 1 / 255, resize: { fit: 'cover', crop: 'centre', kernel: 'lanczos3' } },
  }
}

/** The same for formats that hold strings only: other values become JSON. A lone surrogate, which UTF-8 cannot encode, is replaced. */
export function asStrings(metadata: ModelMetadata): Record<string, string> {
  const text = (value: unknown): string =>
    typeof value === 'string' ? Buffer.from(value).toString() : JSON.stringify(value)
  return Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, text(value)]))
}

function meaningOf({ topology }: ModelDescription, objective: Objective, index: number): OutputMeaning {
  if (objective.kind === 'numbers') return 'numbers'
  const contained = containedActivation(objective) ?? 'softmax'
  const { className, activation } = outputConfig(topology as Topology, index)
  return activation === contained || (className === 'Softmax' && contained === 'softmax') ? 'probabilities' : 'logits'
}

/** Keras JSON, as far as it is read. */
interface Topology {
  readonly config: {
    readonly layers?: readonly (Topology & { readonly name?: string; readonly class_name: string })[]
    readonly output_layers?: readonly (readonly [name: string, node: number, tensor: number])[]
    readonly activation?: string
    readonly name?: string
  }
}

/** The layer that computes an output, inside the models that a model consists of. */
function outputConfig(
  { config }: Topology,
  index: number,
): { readonly className: string; readonly activation?: string } {
  const { layers = [], output_layers: outputs } = config
  const [name, , tensor] = outputs?.[index] ?? [layers.at(-1)!.config.name, 0, 0]
  const layer = layers.find((one) => (one.name ?? one.config.name) === name)!
  if (layer.config.layers) return outputConfig(layer, tensor)
  const { activation } = layer.config
  return { className: layer.class_name, ...(activation !== undefined && { activation }) }
}
