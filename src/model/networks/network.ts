import type * as tf from '@tensorflow/tfjs'

export interface NetworkOptions {
  /** L2 factor of every kernel: the loss has `reg · sum(w²)`. */
  readonly reg: number
  /** Share of activations that dropout zeroes, 0 to 1. */
  readonly dropoutRate: number
}

/** A network, built for the images and classes of a data set. */
export interface Network {
  /**
   * A stock LayersModel from pixels, scaled to [0, 1], to class probabilities.
   * @param inputShape `[height, width, channel]`
   * @returns `[batch, height, width, channel]` -> `[batch, class]`
   */
  build(options: NetworkOptions, inputShape: [number, number, number], classCount: number): tf.LayersModel
}
