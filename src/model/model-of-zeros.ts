import type { LayersModel } from '@tensorflow/tfjs'
import type { TensorFlow } from './networks/tfjs.js'

type Topology = Parameters<TensorFlow['models']['modelFromJSON']>[0]
/** A protected method of layers (tfjs-layers 4.22.0, pinned). */
interface OpenPrototype {
  addWeight: (name: string, shape: unknown, dtype: unknown, initializer: unknown, ...rest: unknown[]) => unknown
}

/**
 * Builds a model without drawing its weights: they are 0, and get their values from elsewhere. A million draws take TensorFlow.js 0.1 s, and
 * an orthogonal matrix seconds. The topology keeps its initializers.
 * @throws what TensorFlow.js throws for a topology that it cannot build
 */
export async function modelOfZeros(tf: TensorFlow, topology: object): Promise<LayersModel> {
  const prototype = tf.layers.Layer.prototype as unknown as OpenPrototype
  const { addWeight } = prototype
  const zeros = tf.initializers.zeros()
  prototype.addWeight = function (this: unknown, name, shape, dtype, _initializer, ...rest) {
    return addWeight.call(this, name, shape, dtype, zeros, ...rest)
  }
  // All layers are built when it returns its promise, so the replaced method builds no other model.
  const model = tf.models.modelFromJSON(topology as Topology)
  prototype.addWeight = addWeight
  return model
}
