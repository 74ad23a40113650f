import type { ModelDescription } from '../../model/parameter-layout.js'
import type { Precision } from '../../model/config/run-config.js'
import type { RunDescription } from '../../model/run-description.js'
import type { Samples } from '../../data/sampling/gather-samples.js'
import type { FillMode } from '../../data/sampling/augmentation.js'

/** Settings of an engine. All come from the run's config, so every worker builds the same engine. */
export interface EngineOptions {
  readonly model: ModelDescription
  /** Samples per shard: the batch of one gradient call and of batch normalisation. */
  readonly shardSize: number
  /** Samples per evaluation call; the last call of a split may hold fewer. */
  readonly evaluationShardSize: number
  readonly labelSmoothing: number
  /** Number format of convolutions; weights, statistics, loss and sums are always float32. */
  readonly precision: Precision
  /** How ImageProjectiveTransformV3 fills pixels from outside the image. */
  readonly fillMode: FillMode
  /** False leaves the transform out of the graph. */
  readonly augment: boolean
}

export function engineOptions({ config, model }: Omit<RunDescription, 'dataset'>): EngineOptions {
  const { shardSize, evaluationShardSize, labelSmoothing, precision, augmentation } = config
  const { enabled, fillMode } = augmentation
  // Only images are augmented.
  const augment = enabled && model.inputs === undefined
  return { model, shardSize, evaluationShardSize, labelSmoothing, precision, augment, fillMode }
}

/** `shardSize` samples. */
export interface GradientInput extends Samples {
  /** What each sample's loss is multiplied by, float32 `[shardSize]`. Given if and only if the model is {@link isWeighted}. */
  readonly weights?: Float32Array
  /** float32, `[shardSize, 8]`: ImageProjectiveTransformV3's output-to-input map. Ignored without augmentation. */
  readonly transforms: Float32Array
  /** The key of this shard's dropout masks; each layer mixes in its own index. */
  readonly dropoutKey: readonly [number, number]
}

/** A layer's output. */
export interface Activation {
  /** For one image, such as `[height, width, channel]`. */
  readonly shape: readonly number[]
  /** float32, `[count, …shape]` */
  readonly values: Float32Array
}

/** The calls to TensorFlow. Synchronous: they run on a thread without other work. */
export interface Engine {
  readonly device: DeviceDescription
  /** @param weights float32, `[layout.weightCount]`; copied */
  setWeights(weights: Float32Array): void
  /**
   * The sum over the shard of the samples' gradients of the loss, without L2.
   * @returns float32, `[gradientLength(layout)]`, in the order of ParameterLayout; a fresh buffer
   */
  gradient(input: GradientInput): Float32Array<ArrayBuffer>
  /**
   * Inference with the moving statistics.
   * @param samples at most evaluationShardSize
   * @returns float32, `[evaluationLength(model)]`; a fresh buffer
   */
  evaluate(samples: Samples): Float32Array<ArrayBuffer>
  /**
   * Probabilities of classes and of yes, or numbers; of several outputs, one after the other.
   * @param inputs of any number of samples
   * @returns float32, `[count, numbers]`
   */
  predict(inputs: Samples['inputs']): Float32Array<ArrayBuffer>
  /**
   * Outputs of layers, for inspection.
   * @param inputs as for {@link predict}; @param layers names of the model, at least two
   * @returns one for each layer
   * @throws ConvoyError('usage') for a layer that does not exist
   */
  activations(inputs: Samples['inputs'], layers: readonly string[]): Activation[]
  /** Live tensors, for leak checks. */
  tensorCount(): number
  /** Bytes of these tensors. */
  tensorBytes(): number
  close(): void
}

/** The device of an engine. Devices with equal `fingerprint` give equal bits. */
export interface DeviceDescription {
  readonly kind: 'cpu' | 'gpu'
  /** CPU or GPU model as reported by the system. */
  readonly name: string
  readonly tensorflowVersion: string
  /** Hash of everything that can change a bit: CPU features or GPU model, TensorFlow version, threads, precision. */
  readonly fingerprint: string
}
