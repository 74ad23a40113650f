export default async ({ tf, load, classCount }) => {
  const base = await load('base')
  for (const layer of base.layers) layer.trainable = false
  const features = base.layers.at(-2).output
  const output = tf.layers.dense({ units: classCount, activation: 'softmax', name: 'new-classes' }).apply(features)
  return tf.model({ inputs: base.inputs, outputs: output })
}
