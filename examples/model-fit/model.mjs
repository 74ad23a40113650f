export default ({ tf, inputShape, outputCount }) =>
  tf.sequential({
    layers: [
      tf.layers.dense({ inputShape, units: 64, activation: 'relu' }),
      tf.layers.dense({ units: 64, activation: 'relu' }),
      tf.layers.dense({ units: outputCount, activation: 'softmax' }),
    ],
  })
