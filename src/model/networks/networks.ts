import type { LayersModel } from '@tensorflow/tfjs'
import { ConvoyError } from '../../shared/errors.js'
import type { Network, NetworkOptions } from './network.js'

/**
 * All networks. A new one is a file like resnet8.ts and a place here: docs/guides/extend.md. A network is loaded when it is built:
 * TensorFlow.js takes a second, and names are needed without it.
 */
const NETWORKS = {
  resnet8: async () => (await import('./resnet8.js')).resnet8,
  resnet20: async () => (await import('./cifar-resnets.js')).resnet20,
  resnet32: async () => (await import('./cifar-resnets.js')).resnet32,
  resnet44: async () => (await import('./cifar-resnets.js')).resnet44,
  resnet56: async () => (await import('./cifar-resnets.js')).resnet56,
  resnet110: async () => (await import('./cifar-resnets.js')).resnet110,
  resnet18: async () => (await import('./resnet18.js')).resnet18,
  wide8: async () => (await import('./wide8.js')).wide8,
} satisfies Readonly<Record<string, () => Promise<Network>>>

export type NetworkName = keyof typeof NETWORKS
/** Stands for the network of `--model`. */
export const OWN_NETWORK = 'own'
export const NETWORK_NAMES = Object.keys(NETWORKS) as NetworkName[]

/**
 * A network as a stock LayersModel, see {@link Network}.
 * @param inputShape `[height, width, channel]`
 */
export async function buildNetwork(
  { name, ...options }: NetworkOptions & { readonly name: NetworkName | typeof OWN_NETWORK },
  inputShape: [number, number, number],
  classCount: number,
): Promise<LayersModel> {
  if (name === OWN_NETWORK) throw new ConvoyError('internal', 'a model of the user is not built by name')
  const network = await NETWORKS[name]()
  const { tf } = await import('./tfjs.js')
  // Only shapes are computed here: no advice to install a faster backend.
  tf.enableProdMode()
  const model = network.build(options, inputShape, classCount)
  model.name = name
  return model
}
