import type { NumberMutation } from '../mutation.js'

const INITIAL = {
  file: 'model/draw-weights.js',
  tests: ['unit/training/semantics-vectors', 'unit/model/model-networks'],
}
const NETWORK = {
  file: 'model/networks/residual-network.js',
  tests: ['unit/model/network-structure', 'unit/model/model-networks'],
}
const RESNET8 = { ...NETWORK, file: 'model/networks/resnet8.js' }
const BLOCK = {
  file: 'model/networks/residual-block.js',
  tests: ['unit/model/model-networks', 'unit/model/network-structure'],
}
const INITIALIZER = { ...INITIAL, file: 'model/initializers.js' }
const DESCRIBED = {
  file: 'model/describe-model.js',
  tests: ['unit/training/semantics-vectors', 'unit/model/model-networks'],
}
const RECIPE = { file: 'model/config/recipes.js', tests: ['unit/training/semantics-vectors'] }

/** Networks, layouts, initial weights and recipes. */
export const MODEL: readonly NumberMutation[] = [
  {
    ...INITIAL,
    name: 'all tensors have the same initial draws',
    find: 'drawn = random.words(index, element / 4)',
    replace: 'drawn = random.words(0, element / 4)',
  },
  {
    ...INITIAL,
    name: 'four initial weights share a draw',
    find: '(2 * toUnit(words[word])',
    replace: '(2 * toUnit(words[0])',
  },
  {
    ...INITIAL,
    name: 'initial weights are not negative',
    find: '(2 * toUnit(words[word]) - 1)',
    replace: 'toUnit(words[word])',
  },
  {
    ...INITIALIZER,
    name: 'the limit of He is by fan-out',
    find: "mode === 'fanIn' ? fanIn",
    replace: "mode === 'fanIn' ? fanOut",
  },
  {
    ...INITIALIZER,
    name: 'the limit of Glorot is by the sum of the fans',
    find: '(fanIn + fanOut) / 2',
    replace: 'fanIn + fanOut',
  },
  {
    ...INITIAL,
    tests: ['unit/model/initial-weights'],
    name: 'truncated initial weights are not truncated',
    find: 'Math.abs(value) > 2',
    replace: 'Math.abs(value) > 9',
  },
  {
    file: 'model/standard-normal.js',
    tests: ['unit/model/initial-weights'],
    name: 'normal initial weights have one tail',
    find: 'return q < 0 ? -tail(r) : tail(r);',
    replace: 'return tail(r);',
  },
  {
    ...DESCRIBED,
    name: 'moving statistics lie before the trainable tensors',
    find: 'tensors: [...trainable, ...statistics]',
    replace: 'tensors: [...statistics, ...trainable]',
  },
  {
    ...BLOCK,
    name: 'gamma has L2',
    find: 'tf.layers.batchNormalization({ name,',
    replace: 'tf.layers.batchNormalization({ gammaRegularizer: tf.regularizers.l2({ l2: 1e-4 }), name,',
  },
  {
    ...NETWORK,
    name: 'the kernel of the logits has no L2',
    find: '...(reg > 0 ? { kernelRegularizer: tf.regularizers.l2({ l2: reg }) } : {}),',
    replace: '',
  },
  {
    ...BLOCK,
    name: 'the kernel on the skip path has no L2',
    find: 'size: 1, strides, reg })',
    replace: 'size: 1, strides, reg: 0 })',
  },
  {
    ...BLOCK,
    name: 'moving statistics have a momentum of 0.99',
    find: 'STATISTICS_MOMENTUM = 0.9;',
    replace: 'STATISTICS_MOMENTUM = 0.99;',
  },
  {
    ...BLOCK,
    name: 'batch norm has an epsilon of 0.001',
    find: '1.001e-5',
    replace: '1e-3',
  },
  {
    ...BLOCK,
    name: 'kernels of stride 2 are padded on the other side',
    find: "    const layer = tf.layers.conv2d({\n        name,\n        filters,\n        kernelSize: size,\n        strides,\n        padding: 'same',",
    replace:
      "    const other = strides === 2 && size === 3; if (other) x = apply(tf.layers.zeroPadding2d({ padding: [[1, 0], [1, 0]], name: `${name}_pad` }), x);\n    const layer = tf.layers.conv2d({\n        name,\n        filters,\n        kernelSize: size,\n        strides,\n        padding: other ? 'valid' : 'same',",
  },
  {
    ...BLOCK,
    name: 'the first convolution of a block has stride 1, the second stride 2',
    find: '[filters, 3, strides],\n            [filters, 3, 1],',
    replace: '[filters, 3, 1],\n            [filters, 3, strides],',
  },
  {
    ...BLOCK,
    name: 'new channels of an identity shortcut are all at the end',
    find: 'const before = Math.floor(newChannels / 2);',
    replace: 'const before = 0;',
  },
  {
    ...BLOCK,
    name: 'an identity shortcut averages the skipped pixels',
    find: 'poolSize: 1, strides,',
    replace: 'poolSize: 2, strides,',
  },
  {
    ...BLOCK,
    name: 'dropout is before the first convolution of a block',
    find: 'if (last && dropoutRate > 0)',
    replace: 'if (index === 0 && dropoutRate > 0)',
  },
  {
    ...BLOCK,
    name: 'a block has no activation after its sum',
    find: 'return relu(apply(tf.layers.add({ name: `${name}_add` }), [x, skip]), `${name}_out`);',
    replace: 'return apply(tf.layers.add({ name: `${name}_out` }), [x, skip]);',
  },
  {
    ...RESNET8,
    name: 'resnet8 has stages of 32 and 64 channels',
    find: 'stages: [16, 48, 96]',
    replace: 'stages: [16, 32, 64]',
  },
  {
    ...NETWORK,
    name: 'the first stage halves the resolution too',
    find: 'downsample: stage > 0 && block === 0',
    replace: 'downsample: block === 0',
  },
  {
    ...RECIPE,
    name: 'the recipe quick peaks at another rate',
    find: 'peak: 0.8, warmup: 0.2',
    replace: 'peak: 0.8, warmup: 0.25',
  },
  {
    ...RECIPE,
    name: 'the recipe resnet56 has Nesterov momentum',
    find: 'nesterov: false',
    replace: 'nesterov: true',
  },
  {
    ...RECIPE,
    name: 'the recipe resnet18 has the L2 of the others',
    find: 'reg: 0.00025',
    replace: 'reg: 0.0001',
  },
]
