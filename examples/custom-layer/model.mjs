export const custom = (tf) => {
  /** Turns features by angles that are learnt: half of the outputs are the cosines, half the sines. */
  class Waves extends tf.layers.Layer {
    static className = 'Waves'

    constructor({ units, ...args }) {
      super(args)
      this.units = units
    }

    build([, width]) {
      const initializer = tf.initializers.randomNormal({ stddev: 0.3 })
      this.kernel = this.addWeight('kernel', [width, this.units], 'float32', initializer)
      super.build([null, width])
    }

    call(inputs) {
      const x = Array.isArray(inputs) ? inputs[0] : inputs
      const angles = tf.matMul(x, this.kernel.read())
      return tf.concat([tf.cos(angles), tf.sin(angles)], 1)
    }

    computeOutputShape([batch]) {
      return [batch, 2 * this.units]
    }

    getConfig() {
      return { ...super.getConfig(), units: this.units }
    }
  }

  return {
    layers: [Waves],
    losses: {
      // A frequency that is half or twice the right one is as wrong as it sounds.
      octaves: (targets, outputs) => tf.square(tf.log(tf.div(tf.maximum(outputs, 0.1), targets))),
    },
    metrics: {
      within10percent: (targets, outputs) => tf.less(tf.abs(tf.sub(tf.div(outputs, targets), 1)), 0.1).cast('float32'),
    },
  }
}

export default ({ tf, inputShape, outputCount, layers: { Waves } }) => {
  const input = tf.input({ shape: inputShape })
  const waves = new Waves({ units: 32 }).apply(input)
  const hidden = tf.layers.dense({ units: 64, activation: 'relu' }).apply(waves)
  const output = tf.layers.dense({ units: outputCount, activation: 'softplus' }).apply(hidden)
  return tf.model({ inputs: input, outputs: output })
}
