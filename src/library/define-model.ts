import path from 'node:path'
import type { LayersModel } from '@tensorflow/tfjs'
import { ConvoyError } from '../shared/errors.js'
import { saveLayersModel } from './save-layers-model.js'

/** A model that {@link train} can begin with. */
export interface ModelDefinition {
  /** As `convoy status`, the page and the configuration of the run show it. */
  readonly name: string
  /** Writes the model, with the weights that it has now, into a new directory. @returns the directory */
  save(parent: string): Promise<string>
}

/**
 * A `tf.LayersModel` for {@link train}, of any copy of TensorFlow.js. A run begins with the weights that the model has when `train` is called, and
 * leaves the model as it is. What the model is compiled with is not used: `config` has optimizer and loss.
 *
 * @param options.name 1 to 64 letters, digits, dots, dashes and underscores; 'model' by default
 * @throws ConvoyError('usage') for another name, or what is no model
 */
export function defineModel(model: LayersModel, { name = 'model' }: { readonly name?: string } = {}): ModelDefinition {
  if (!/^[\w.-]{1,64}$/.test(name) || /^\.+$/.test(name))
    throw new ConvoyError(
      'usage',
      `defineModel: the name ${JSON.stringify(name)} is not usable; give 1 to 64 letters, digits, dots, dashes and underscores.`,
    )
  if (!Array.isArray((model as Partial<LayersModel>).layers))
    throw new ConvoyError(
      'usage',
      'defineModel: this is no LayersModel; give the result of tf.sequential or tf.model, and a module to train as its path.',
    )
  return {
    name,
    save: async (parent) => {
      const directory = path.join(parent, name)
      await saveLayersModel(model, directory)
      return directory
    },
  }
}
