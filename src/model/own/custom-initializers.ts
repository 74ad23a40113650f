import type * as tfjs from '@tensorflow/tfjs'
import type { TensorFlow } from '../networks/tfjs.js'

type LayerWeight = tfjs.LayersModel['weights'][number]

/** What a layer said of a weight that it added. */
export interface AddedWeight {
  readonly initializer: Serialisable
  readonly regularizer: Serialisable | null | undefined
  readonly constraint: unknown
}

interface Serialisable {
  getClassName(): string
  getConfig(): Record<string, unknown>
}

/** Of weights that layers added since {@link rememberInitializers}. */
const added = new WeakMap<LayerWeight, AddedWeight>()
const watched = new WeakSet<object>()

type AddWeight = (
  ...args: [
    name: string,
    shape: unknown,
    dtype: unknown,
    initializer: Serialisable,
    regularizer?: Serialisable | null,
    trainable?: boolean,
    constraint?: unknown,
    ...others: unknown[],
  ]
) => LayerWeight

/**
 * Remembers how the weights of custom layers get their first values: TensorFlow.js forgets it once they have them, and the configuration of a
 * custom layer need not say it.
 */
export function rememberInitializers(tf: TensorFlow): void {
  const { prototype } = tf.layers.Layer as unknown as { prototype: { addWeight: AddWeight } }
  if (watched.has(prototype)) return
  watched.add(prototype)
  const { addWeight } = prototype
  prototype.addWeight = function (...args) {
    const weight = addWeight.apply(this, args)
    const [, , , initializer, regularizer, , constraint] = args
    added.set(weight, { initializer, regularizer, constraint })
    return weight
  }
}

/** @returns undefined for a weight of before */
export function addedWeight(weight: LayerWeight): AddedWeight | undefined {
  return added.get(weight)
}
