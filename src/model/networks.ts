import * as tf from '@tensorflow/tfjs'
import type { Shortcut } from './residual-block.js'
import { apply, batchNorm, convolution, relu, residualBlock } from './residual-block.js'
import type { NetworkConfig, NetworkName } from './config/run-config.js'

interface Architecture {
  /** Channels of the first convolution. */
  readonly stem: number
  /** Channels of each stage; every stage but the first halves height and width. */
  readonly stages: readonly number[]
  readonly blocksPerStage: number
  readonly shortcut: Shortcut
}

/** He et al. 2015, section 4.2: 6n + 2 layers for 32x32 images. */
function cifar(blocksPerStage: number): Architecture {
  return { stem: 16, stages: [16, 32, 64], blocksPerStage, shortcut: 'identity' }
}

const ARCHITECTURES: Readonly<Record<NetworkName, Architecture>> = {
  /** Not in the paper: trains in minutes on a small CPU. Its late stages are wide, which costs little because their maps are small. */
  resnet8: { stem: 16, stages: [16, 48, 96], blocksPerStage: 1, shortcut: 'identity' },
  resnet20: cifar(3),
  resnet32: cifar(5),
  resnet44: cifar(7),
  resnet56: cifar(9),
  resnet110: cifar(18),
  /** The ImageNet network of the paper with a 3x3 stem and no pooling, as is usual for small images. */
  resnet18: { stem: 64, stages: [64, 128, 256, 512], blocksPerStage: 2, shortcut: 'projection' },
  /** Three blocks that widen, made for L2 and dropout. */
  seed: { stem: 32, stages: [32, 64, 128], blocksPerStage: 1, shortcut: 'projection' },
}

/**
 * A network as a stock LayersModel from pixels, scaled to [0, 1], to class probabilities.
 * @param inputShape `[height, width, channel]`, at least 8x8
 * @returns `[batch, height, width, channel]` -> `[batch, class]`
 */
export function buildNetwork(
  config: NetworkConfig,
  inputShape: [number, number, number],
  classCount: number,
): tf.LayersModel {
  // Only shapes are computed here, so suppress the advice to install a faster backend.
  tf.enableProdMode()
  const { stem, stages, blocksPerStage, shortcut } = ARCHITECTURES[config.name]
  const { reg, dropoutRate } = config
  const input = tf.input({ shape: inputShape, name: 'image' })

  let x = convolution(input, { name: 'stem_conv', filters: stem, size: 3, strides: 1, reg })
  x = relu(batchNorm(x, 'stem_bn'), 'stem_relu')
  stages.forEach((filters, stage) => {
    for (let block = 0; block < blocksPerStage; block++) {
      const name = `stage${stage + 1}_block${block + 1}`
      x = residualBlock(x, { name, filters, reg, dropoutRate, downsample: stage > 0 && block === 0, shortcut })
    }
  })
  x = apply(tf.layers.globalAveragePooling2d({ name: 'pool' }), x)
  x = apply(
    tf.layers.dense({
      name: 'logits',
      units: classCount,
      kernelInitializer: 'glorotUniform',
      ...(reg > 0 ? { kernelRegularizer: tf.regularizers.l2({ l2: reg }) } : {}),
    }),
    x,
  )
  x = apply(tf.layers.activation({ activation: 'softmax', name: 'probabilities' }), x)
  return tf.model({ inputs: input, outputs: x, name: config.name })
}

/** Names of the last layers of the stem and of each block, from input to output. @param topology of ModelDescription */
export function blockOutputs(topology: object): string[] {
  const { config } = topology as { config: { layers: { name: string }[] } }
  return config.layers.map(({ name }) => name).filter((name) => /^(stem_relu|stage\d+_block\d+_out)$/.test(name))
}
