import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { buildNetwork, NETWORK_NAMES } from '../../../src/model/networks/networks.js'
import type { NetworkName } from '../../../src/model/networks/networks.js'

type Layer = Awaited<ReturnType<typeof buildNetwork>>['layers'][number]

/** The table of docs/reference/semantics.md: channels of the stem and of each stage, blocks per stage. */
const NETWORKS: Record<NetworkName, readonly [stem: number, stages: readonly number[], blocks: number]> = {
  resnet8: [16, [16, 48, 96], 1],
  resnet20: [16, [16, 32, 64], 3],
  resnet32: [16, [16, 32, 64], 5],
  resnet44: [16, [16, 32, 64], 7],
  resnet56: [16, [16, 32, 64], 9],
  resnet110: [16, [16, 32, 64], 18],
  resnet18: [64, [64, 128, 256, 512], 2],
  wide8: [32, [32, 64, 128], 1],
}
const PROJECTED = ['resnet18', 'wide8']

/** A layer's settings and its inputs. */
function describeLayer(layer: Layer): string {
  const config = layer.getConfig()
  const inputs = layer.inboundNodes.flatMap(({ inboundLayers }) => inboundLayers.map(({ name }) => name))
  const own = ['filters', 'kernelSize', 'strides', 'padding', 'activation', 'rate', 'units', 'useBias']
  const values = own.flatMap((key) =>
    config[key] === undefined ? [] : [JSON.stringify(config[key]).replace(/[[\]"]/g, '')],
  )
  return `${layer.name} ${values.join(' ')} <- ${inputs.join(' ')}`
}

/** The layers of the page's pseudocode, without those of an identity shortcut between different sizes. */
function layersOnPage(name: NetworkName, dropoutRate: number): string[] {
  const [stem, stages, blocks] = NETWORKS[name]
  const lines = ['image  <- ']
  const add = (layer: string, own: string, ...inputs: string[]): string => {
    lines.push(`${layer} ${own} <- ${inputs.join(' ')}`)
    return layer
  }
  const convolution = (layer: string, filters: number, size: number, stride: number, input: string): string =>
    add(layer, `${filters} ${size},${size} ${stride},${stride} same linear false`, input)
  let x = add('stem_relu', 'relu', add('stem_bn', '', convolution('stem_conv', stem, 3, 1, 'image')))
  let channels = stem
  stages.forEach((filters, stage) => {
    for (let block = 0; block < blocks; block++) {
      const prefix = `stage${stage + 1}_block${block + 1}`
      const stride = stage > 0 && block === 0 ? 2 : 1
      let y = add(`${prefix}_bn1`, '', convolution(`${prefix}_conv1`, filters, 3, stride, x))
      y = add(`${prefix}_relu1`, 'relu', y)
      if (dropoutRate > 0) y = add(`${prefix}_dropout`, `${dropoutRate}`, y)
      y = add(`${prefix}_bn2`, '', convolution(`${prefix}_conv2`, filters, 3, 1, y))
      const isSame = stride === 1 && channels === filters
      let skip = x
      if (!isSame && PROJECTED.includes(name))
        skip = add(`${prefix}_skip_bn`, '', convolution(`${prefix}_skip`, filters, 1, stride, x))
      else if (!isSame) skip = `${prefix}_skip_channels_out`
      x = add(`${prefix}_out`, 'relu', add(`${prefix}_add`, '', y, skip))
      channels = filters
    }
  })
  add('probabilities', 'softmax', add('logits', 'linear 10 true', add('pool', '', x)))
  return lines
}

describe('the layers of a network', () => {
  for (const name of NETWORK_NAMES) {
    it(`are those of semantics.md: ${name}`, async () => {
      for (const dropoutRate of [0, 0.2]) {
        const network = await buildNetwork({ name, reg: 0, dropoutRate }, [32, 32, 3], 10)
        const layers = network.layers.filter(
          (layer) => !/_skip_(subsample|channels_in|pad|channels_out)$/.test(layer.name),
        )
        assert.deepEqual(layers.map(describeLayer).sort(), layersOnPage(name, dropoutRate).sort())
        network.dispose()
      }
    })
  }
})
