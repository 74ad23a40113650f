/** MobileNet of half the width, without the dropout (Howard et al. 2017): filters and stride of each depthwise separable block. */
const BLOCKS = [
  [32, 1],
  [64, 2],
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  ...Array.from({ length: 5 }, () => [256, 1]),
  [512, 2],
  [512, 1],
]

export default ({ tf, inputShape, classCount }) => {
  const options = { padding: 'same', useBias: false }
  const normalized = () => [tf.layers.batchNormalization(), tf.layers.reLU()]
  return tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape, filters: 16, kernelSize: 3, strides: 2, ...options }),
      ...normalized(),
      ...BLOCKS.flatMap(([filters, strides]) => [
        tf.layers.depthwiseConv2d({ kernelSize: 3, strides, ...options }),
        ...normalized(),
        tf.layers.conv2d({ filters, kernelSize: 1, ...options }),
        ...normalized(),
      ]),
      tf.layers.globalAveragePooling2d({}),
      tf.layers.dense({ units: classCount, activation: 'softmax' }),
    ],
  })
}
