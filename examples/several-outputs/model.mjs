export default ({ tf, inputShape, outputs }) => {
  const input = tf.input({ shape: inputShape })
  const scaled = tf.layers.batchNormalization({ momentum: 0.9 }).apply(input)
  const hidden = tf.layers.dense({ units: 32, activation: 'relu' }).apply(scaled)
  const activation = { rent: 'linear', district: 'softmax', 'lift,balcony': 'sigmoid' }
  return tf.model({
    inputs: input,
    outputs: outputs.map(({ name, count }) =>
      tf.layers.dense({ units: count, activation: activation[name] }).apply(hidden),
    ),
  })
}
