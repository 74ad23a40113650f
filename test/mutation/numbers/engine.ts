import type { NumberMutation } from '../mutation.js'

const STEP = {
  file: 'tensorflow/engine/training-step.js',
  tests: ['unit/tensorflow/engine-vector'],
}
const EVALUATION = {
  file: 'tensorflow/inference/inference.js',
  tests: ['unit/tensorflow/engine-vector'],
}
const OPS = { file: 'tensorflow/engine/fused-ops.js', tests: ['unit/tensorflow/engine-fused-ops'] }
const LAYERS = { file: 'tensorflow/engine/own-layers.js', tests: ['unit/tensorflow/engine-vector'] }

/** The contents of a shard's vector. */
export const ENGINE: readonly NumberMutation[] = [
  {
    ...STEP,
    file: 'tensorflow/engine/objective-ops.js',
    name: 'label smoothing is divided over classes - 1',
    find: 'labelSmoothing / size',
    replace: 'labelSmoothing / (size - 1)',
  },
  {
    ...STEP,
    file: 'tensorflow/engine/objective-ops.js',
    name: 'label smoothing takes nothing from the right class',
    find: 'oneHot(labels).mul(1 - labelSmoothing)',
    replace: 'oneHot(labels)',
  },
  {
    ...STEP,
    file: 'tensorflow/engine/objective-ops.js',
    name: 'the loss of a shard is a mean',
    find: 'ops.crossEntropy(logits, smoothed)',
    replace: 'tf.div(ops.crossEntropy(logits, smoothed), logits.shape[0])',
  },
  {
    ...STEP,
    file: 'tensorflow/engine/objective-ops.js',
    name: 'of equal logits training takes the last',
    find: 'tf.equal(logits.argMax(1), labels)',
    replace: "tf.equal(tf.scalar(classCount - 1, 'int32').sub(logits.reverse(1).argMax(1)), labels)",
  },
  {
    ...STEP,
    name: 'images are not augmented',
    find: 'augment ? { transforms, fillMode } : undefined',
    replace: 'undefined',
  },
  {
    ...STEP,
    name: 'images are augmented although augmentation is off',
    find: 'augment ? {',
    replace: 'true ? {',
  },
  {
    ...STEP,
    file: 'tensorflow/engine/network-inputs.js',
    name: 'pixels are divided by 256',
    find: '1 / 255',
    replace: '1 / 256',
  },
  {
    ...STEP,
    name: 'loss and correct count are swapped',
    find: '...statisticsInOrder, loss, ...measures]',
    replace: '...statisticsInOrder, ...measures, loss]',
  },
  {
    ...EVALUATION,
    file: 'tensorflow/engine/objective-ops.js',
    name: 'the confusion matrix is transposed where a worker counts it',
    find: 'tf.matMul(targets, predictions, true)',
    replace: 'tf.matMul(predictions, targets, true)',
  },
  {
    ...EVALUATION,
    file: 'tensorflow/engine/objective-ops.js',
    name: 'of equal logits evaluation takes the last',
    find: 'tf.oneHot(logits.argMax(1), size)',
    replace: "tf.oneHot(tf.scalar(size - 1, 'int32').sub(logits.reverse(1).argMax(1)), size)",
  },
  {
    ...EVALUATION,
    file: 'tensorflow/engine/objective-ops.js',
    name: 'the loss of an evaluation has label smoothing',
    find: 'ops.crossEntropy(logits, oneHot(labels))',
    replace: 'ops.crossEntropy(logits, oneHot(labels).mul(0.9).add(0.1 / size))',
  },
  {
    ...EVALUATION,
    file: 'tensorflow/engine/objective-ops.js',
    name: 'the loss of an evaluation shard is a mean',
    find: 'ops.crossEntropy(logits, oneHot(labels))',
    replace: 'tf.div(ops.crossEntropy(logits, oneHot(labels)), logits.shape[0])',
  },
  {
    ...EVALUATION,
    file: 'tensorflow/engine/objective-ops.js',
    name: 'predictions are logits',
    find: 'prediction: (logits) => tf.softmax(logits)',
    replace: 'prediction: (logits) => logits',
  },
  {
    ...OPS,
    name: 'the variance for the moving statistics is biased',
    find: 'variance = tf.keep(batchVariance);',
    replace: 'variance = tf.keep(tf.mul(batchVariance, 1 - xIn.shape[3] / xIn.size));',
  },
  {
    ...OPS,
    name: 'batch norm always has the epsilon of Keras',
    tests: ['unit/tensorflow/engine-vector'],
    find: 'type: binding.TF_ATTR_FLOAT, value: epsilon }',
    replace: 'type: binding.TF_ATTR_FLOAT, value: 1e-3 }',
  },
  {
    ...OPS,
    tests: ['unit/tensorflow/engine-vector'],
    name: 'inference normalises by the statistics of its batch',
    find: 'this.#batchNormAttributes(epsilon, false)',
    replace: 'this.#batchNormAttributes(epsilon, true)',
  },
  {
    ...OPS,
    name: 'the gradients of gamma and beta are swapped',
    find: '.slice(0, 3);',
    replace: '.slice(0, 3).map((_, index, all) => all[[0, 2, 1][index]]);',
  },
  {
    ...OPS,
    name: 'ReLU passes every gradient',
    find: "const gradFunc = (dy, [y]) => this.#backend.executeSingleOutput('ReluGrad', [this.#floatType('T')], [dy, y]);",
    replace: 'const gradFunc = (dy) => dy.clone();',
  },
  { ...OPS, name: 'dropout does not scale what it keeps', find: 'scalar(1 / (1 - rate))', replace: 'scalar(1)' },
  {
    ...OPS,
    name: 'dropout keeps what it should drop',
    find: 'this.#tf.greaterEqual(this.uniform(',
    replace: 'this.#tf.less(this.uniform(',
  },
  {
    ...OPS,
    name: 'the gradient of the cross-entropy ignores its factor',
    find: 'this.#tf.mul(dy.reshape([-1, 1]), backprop)',
    replace: 'backprop.clone()',
  },
  {
    ...LAYERS,
    file: 'tensorflow/engine/network.js',
    tests: ['unit/worker/shard-computer'],
    name: 'all dropout layers have one mask',
    find: 'this.#dropoutLayers++',
    replace: '0',
  },
  {
    ...LAYERS,
    tests: ['unit/tensorflow/engine-vector'],
    name: 'moving mean and moving variance are swapped',
    find: 'moving_mean`, mean);',
    replace: 'moving_mean`, variance);',
  },
  {
    ...LAYERS,
    name: 'inference takes the moving mean for the variance too',
    find: "weight('moving_mean'), weight('moving_variance'), epsilon",
    replace: "weight('moving_mean'), weight('moving_mean'), epsilon",
  },
  {
    ...LAYERS,
    name: 'beta is taken for gamma',
    find: "const scale = weight('gamma')",
    replace: "const scale = weight('beta')",
  },
  {
    file: 'tensorflow/engine/fused-lstm.js',
    tests: ['unit/tensorflow/layers'],
    name: 'the gradients of an LSTM have two gates exchanged',
    find: 'return tf.concat([first, third, second, fourth], 1);',
    replace: 'return tf.concat([first, second, third, fourth], 1);',
  },
  {
    file: 'tensorflow/engine/fused-lstm.js',
    tests: ['unit/tensorflow/layers'],
    name: 'the gradient of an LSTM does not go back through its cells',
    find: 'cellGradient = outputs[0];',
    replace: 'cellGradient = none;',
  },
]
