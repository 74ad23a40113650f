const WORDS = 40

export default ({ tf, inputShape, classCount }) =>
  tf.sequential({
    layers: [
      tf.layers.embedding({ inputShape, inputDim: WORDS, outputDim: 16 }),
      tf.layers.bidirectional({ layer: tf.layers.lstm({ units: 16 }), mergeMode: 'concat' }),
      tf.layers.dropout({ rate: 0.2 }),
      tf.layers.dense({ units: classCount, activation: 'softmax' }),
    ],
  })
