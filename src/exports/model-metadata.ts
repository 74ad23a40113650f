import type { Column, DatasetInfo } from '../data/dataset.js'
import { isImages } from '../data/dataset.js'
import type { ModelDescription } from '../model/parameter-layout.js'
import { imageShapeOf } from '../model/parameter-layout.js'
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
  /** In the order of the output. */
  readonly classNames: readonly string[]
  readonly input: ImageInput | readonly Column[]
  /** Of the last layer: numbers that sum to 1, numbers that need a softmax, or the numbers that were learnt. */
  readonly output: 'probabilities' | 'logits' | 'numbers'
  /** Names of the numbers that were learnt; absent where there are classes. */
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
  return {
    classNames: dataset.classNames,
    input: model.inputs ?? imageInput(model),
    output: model.objective ? 'numbers' : outputOf(model),
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

function outputOf({ topology }: ModelDescription): ModelMetadata['output'] {
  const { config } = topology as { config: { layers: { config: { activation?: string } }[] } }
  return config.layers.at(-1)?.config.activation === 'softmax' ? 'probabilities' : 'logits'
}
