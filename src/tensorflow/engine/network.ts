import type { LayersModel, SymbolicTensor, Tensor, Tensor1D, Variable } from '@tensorflow/tfjs'
import { containedActivation } from '../../model/objectives/objective.js'
import { leafLayers, outputLayer } from '../../model/layer-support.js'
import { modelOfZeros } from '../../model/model-of-zeros.js'
import { ConvoyError } from '../../shared/errors.js'
import type { ModelDescription } from '../../model/parameter-layout.js'
import { objectivesOf } from '../../model/parameter-layout.js'
import type { FusedOps } from './fused-ops.js'
import type { LayerPass, OpenLayer } from './own-layers.js'
import { replaceCall, withoutActivation } from './own-layers.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'

/** The batch statistics of a training pass, by the name of the moving statistic that they update. Kept: the caller disposes. */
export type BatchStatistics = Map<string, Tensor1D>

/**
 * The run's LayersModel as a pure function of its weights. Stock layers do the work, except for batch norm, ReLU and dropout,
 * which run on TensorFlow's fused kernels, and the last softmax or sigmoid, which the loss contains.
 */
export class Network {
  readonly #tf: TensorFlow
  readonly #model: LayersModel
  readonly #layers: readonly OpenLayer[]
  readonly #description: ModelDescription
  readonly #frozen = new Map<string, Variable>()
  /** State of the current pass. */
  #statistics: BatchStatistics | undefined
  #dropoutKey: Tensor1D | undefined
  #dropoutLayers = 0

  private constructor(tf: TensorFlow, model: LayersModel, description: ModelDescription, ops: FusedOps) {
    this.#tf = tf
    this.#model = model
    this.#description = description
    this.#layers = leafLayers(model.layers).map(({ layer }) => layer as unknown as OpenLayer)
    const pass: LayerPass = {
      takeStatistics: (name, values) => this.#statistics!.set(name, values),
      // Each layer has its own mask: the second word of the key depends on the layer.
      nextKey: () => tf.add(this.#dropoutKey!, tf.tensor1d([0, this.#dropoutLayers++], 'int32')) as Tensor1D,
    }
    const frozen = new Set(description.frozen?.tensors.map(({ name }) => name))
    for (const layer of this.#layers) replaceCall(layer, tf, ops, pass, frozen)
    for (const [index, objective] of objectivesOf(description).entries()) {
      const activation = containedActivation(objective)
      const layer = outputLayer(model.outputs[index]!) as unknown as OpenLayer
      if (activation !== undefined) withoutActivation(tf, layer, activation)
    }
    // Every pass gets its weights from the coordinator; the initial ones of the layers are not needed.
    for (const layer of this.#layers) for (const weight of layer.weights) weight.val.dispose()
  }

  /** Builds the model from its topology. @throws ConvoyError('incompatible') when topology and layout disagree */
  static async build(tf: TensorFlow, description: ModelDescription, ops: FusedOps): Promise<Network> {
    const model = await modelOfZeros(tf, description.topology)
    const names = leafLayers(model.layers).flatMap(({ layer }) => layer.weights.map((weight) => weight.originalName))
    const expected = [...description.layout.tensors, ...(description.frozen?.tensors ?? [])].map(({ name }) => name)
    if (names.toSorted().join() !== expected.toSorted().join()) {
      throw new ConvoyError('incompatible', "The model's topology and its parameter layout name different weights.")
    }
    return new Network(tf, model, description, ops)
  }

  /**
   * Cuts a flat vector into the layout's tensors.
   * @param flat float32, `[layout.weightCount]`
   */
  unflatten(flat: Tensor1D): Tensor[] {
    const { tensors } = this.#description.layout
    const pieces = this.#tf.split(
      flat,
      tensors.map(({ size }) => size),
    )
    return tensors.map(({ shape }, index) => pieces[index]!.reshape([...shape]))
  }

  /**
   * The weights that are not trained. Set before the first pass.
   * @param flat float32, the vector of {@link ModelDescription.frozen}
   */
  setFrozen(flat: Tensor1D): void {
    const { tensors } = this.#description.frozen!
    for (const { name, shape, offset, size } of tensors)
      this.#frozen.set(name, this.#tf.variable(flat.slice([offset], [size]).reshape([...shape]), false))
  }

  /** Frees the weights that are not trained. */
  dispose(): void {
    this.#tf.dispose([...this.#frozen.values()])
  }

  /**
   * The training pass: batch norm by the batch's own statistics, dropout on.
   * @param weights the layout's tensors in its order; moving statistics are not read
   * @param samples see networkInputs; @param dropoutKey int32, `[2]`
   * @returns logits or numbers of each output, `[batch, …]`, and the statistics, kept
   */
  train(
    weights: Tensor[],
    samples: Tensor[],
    dropoutKey: Tensor1D,
  ): { outputs: Tensor[]; statistics: BatchStatistics } {
    const statistics: BatchStatistics = new Map()
    this.#statistics = statistics
    this.#dropoutKey = dropoutKey
    this.#dropoutLayers = 0
    try {
      return { outputs: this.#apply(weights, samples, true), statistics }
    } finally {
      this.#statistics = undefined
      this.#dropoutKey = undefined
    }
  }

  /** The inference pass, by the moving statistics. @returns logits or numbers of each output, `[batch, …]` */
  infer(weights: Tensor[], samples: Tensor[]): Tensor[] {
    return this.#apply(weights, samples, false)
  }

  /**
   * Outputs of layers in the inference pass.
   * @param layers names of the model, at least one
   * @returns the output of each, float32
   * @throws ConvoyError('usage') for a layer that does not exist
   */
  activations(weights: Tensor[], samples: Tensor[], layers: readonly string[]): Tensor[] {
    this.#takeWeights(weights)
    const outputs = layers.map((name) => this.#outputOf(name))
    const found = this.#tf.model({ inputs: this.#model.inputs, outputs }).apply(asGiven(samples), { training: false })
    return [found].flat() as Tensor[]
  }

  /** Shape of a layer's output for one image, such as `[height, width, channel]`. @throws ConvoyError('usage') for a layer that does not exist */
  outputShape(layer: string): number[] {
    return this.#outputOf(layer).shape.slice(1).map(Number)
  }

  #outputOf(name: string): SymbolicTensor {
    const layer = this.#model.layers.find((candidate) => candidate.name === name)
    if (layer === undefined) throw new ConvoyError('usage', `The model has no layer ${name}.`)
    return layer.output as SymbolicTensor
  }

  #apply(weights: Tensor[], samples: Tensor[], training: boolean): Tensor[] {
    this.#takeWeights(weights)
    return [this.#model.apply(asGiven(samples), { training })].flat() as Tensor[]
  }

  #takeWeights(weights: Tensor[]): void {
    const byName = new Map<string, Tensor>(this.#frozen)
    for (const [index, { name }] of this.#description.layout.tensors.entries()) byName.set(name, weights[index]!)
    for (const layer of this.#layers) for (const weight of layer.weights) weight.val = byName.get(weight.originalName)!
  }
}

/** A model of one input takes a tensor, one of several a list. */
function asGiven(samples: Tensor[]): Tensor | Tensor[] {
  return samples.length === 1 ? samples[0]! : samples
}
