import type { Network } from './network.js'
import type { Shortcut } from './residual-block.js'
import { apply, batchNorm, convolution, relu, residualBlock } from './residual-block.js'
import { tf } from './tfjs.js'

export interface Architecture {
  /** Channels of the first convolution. */
  readonly stem: number
  /** Channels of each stage; every stage but the first halves height and width. */
  readonly stages: readonly number[]
  readonly blocksPerStage: number
  readonly shortcut: Shortcut
}

/** A stem, stages of residual blocks, the mean over each channel, and one dense layer. Images are at least 8x8. */
export function residualNetwork({ stem, stages, blocksPerStage, shortcut }: Architecture): Network {
  return {
    build({ reg, dropoutRate }, inputShape, classCount) {
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
      return tf.model({ inputs: input, outputs: x })
    },
  }
}
