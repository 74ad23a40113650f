import type { ModelDescription } from '../../model/parameter-layout.js'
import type { Precision } from '../../model/config/run-config.js'
import type { RunDescription } from '../../model/run-description.js'
import type { FillMode } from '../../data/sampling/augmentation.js'

/** What an engine computes for. All of it comes from the run's config, so every worker builds the same engine. */
export interface EngineOptions {
  readonly model: ModelDescription
  /** Samples per shard: the batch of one gradient call and of batch normalisation. */
  readonly shardSize: number
  /** Samples per evaluation call; the last call of a split may hold fewer. */
  readonly evaluationShardSize: number
  readonly labelSmoothing: number
  /** What convolutions compute in; weights, statistics, loss and sums are float32 either way. */
  readonly precision: Precision
  /** What ImageProjectiveTransformV3 puts where the transform looks outside the image. */
  readonly fillMode: FillMode
  /** False leaves the transform out of the graph. */
  readonly augment: boolean
}

export function engineOptions({ config, model }: Omit<RunDescription, 'dataset'>): EngineOptions {
  const { shardSize, evaluationShardSize, labelSmoothing, precision, augmentation } = config
  const { enabled: augment, fillMode } = augmentation
  return { model, shardSize, evaluationShardSize, labelSmoothing, precision, augment, fillMode }
}

export interface GradientInput {
  /** uint8, `[shardSize, height, width, channel]` */
  readonly pixels: Uint8Array
  /** `[shardSize]` */
  readonly labels: Int32Array
  /** float32, `[shardSize, 8]`: ImageProjectiveTransformV3's output-to-input map. Ignored without augmentation. */
  readonly transforms: Float32Array
  /** The key of this shard's dropout masks; each layer mixes in its own index. */
  readonly dropoutKey: readonly [number, number]
}

export interface EvaluationInput {
  /** uint8, `[count, height, width, channel]`, count at most evaluationShardSize */
  readonly pixels: Uint8Array
  /** `[count]` */
  readonly labels: Int32Array
}

/** A layer's output. */
export interface Activation {
  /** For one image, such as `[height, width, channel]`. */
  readonly shape: readonly number[]
  /** float32, `[count, …shape]` */
  readonly values: Float32Array
}

/** TensorFlow behind a few calls. Synchronous: it runs on a thread that has nothing else to do. */
export interface Engine {
  readonly device: DeviceDescription
  /** @param weights float32, `[layout.weightCount]`; copied */
  setWeights(weights: Float32Array): void
  /**
   * The sum over the shard of the samples' gradients of the cross-entropy loss, without L2.
   * @returns float32, `[gradientLength(layout)]`, laid out as ParameterLayout says; a fresh buffer
   */
  gradient(input: GradientInput): Float32Array<ArrayBuffer>
  /**
   * Inference with the moving statistics.
   * @returns float32, `[evaluationLength(classCount)]`; a fresh buffer
   */
  evaluate(input: EvaluationInput): Float32Array<ArrayBuffer>
  /**
   * Class probabilities.
   * @param pixels uint8, `[count, height, width, channel]`, any count
   * @returns float32, `[count, classCount]`
   */
  predict(pixels: Uint8Array): Float32Array<ArrayBuffer>
  /**
   * What layers put out, for looking inside.
   * @param pixels as for {@link predict}; @param layers names of the model, at least two
   * @returns one for each layer
   * @throws ConvoyError('usage') for a layer that there is not
   */
  activations(pixels: Uint8Array, layers: readonly string[]): Activation[]
  /** Live tensors, for leak checks. */
  tensorCount(): number
  /** Bytes of these tensors. */
  tensorBytes(): number
  close(): void
}

/** Where and with what an engine computes. Equal `fingerprint` means equal bits are promised. */
export interface DeviceDescription {
  readonly kind: 'cpu' | 'gpu'
  /** CPU or GPU model, as the system names it. */
  readonly name: string
  readonly tensorflowVersion: string
  /** Hash of everything that can change a bit: CPU features or GPU model, TensorFlow version, threads, precision. */
  readonly fingerprint: string
}
