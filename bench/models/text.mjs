const TOKENS = 1_000
const UNITS = 128

export default ({ tf, inputShape, classCount }) => {
  // Of Keras, whose defaults differ.
  const asKeras = { units: UNITS, recurrentActivation: 'sigmoid' }
  return tf.sequential({
    layers: [
      tf.layers.embedding({ inputShape, inputDim: TOKENS, outputDim: 64 }),
      tf.layers.lstm({ ...asKeras, returnSequences: true }),
      tf.layers.lstm(asKeras),
      tf.layers.dense({ units: classCount, activation: 'softmax' }),
    ],
  })
}
