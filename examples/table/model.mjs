export default ({ tf, inputShape, outputCount }) =>
  tf.sequential({
    layers: [
      tf.layers.batchNormalization({ inputShape, momentum: 0.9 }),
      tf.layers.dense({ units: 32, activation: 'relu' }),
      tf.layers.dense({ units: 32, activation: 'relu' }),
      tf.layers.dense({ units: outputCount }),
    ],
  })
