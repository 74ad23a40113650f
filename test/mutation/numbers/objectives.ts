import type { NumberMutation } from '../mutation.js'

const OPS = { file: 'tensorflow/engine/objective-ops.js', tests: ['unit/tensorflow/objectives'] }
const BINARY = { file: 'model/objectives/binary-measures.js', tests: ['unit/model/objectives/binary-measures'] }
const CLASSES = { file: 'model/objectives/class-measures.js', tests: ['unit/model/objectives/class-measures'] }
const SAMPLES = { file: 'data/sampling/gather-samples.js', tests: ['unit/data/gather-weights'] }
const TASK = { file: 'coordinator/plan-task.js', tests: ['unit/coordinator/plan-task'] }

/** What models learn that is not the class of a sample, and how it is measured. */
export const OBJECTIVES: readonly NumberMutation[] = [
  {
    ...OPS,
    name: 'the weights of samples are ignored',
    find: '(weights === undefined ? losses : tf.mul(losses, weights)).sum()',
    replace: 'losses.sum()',
  },
  {
    ...OPS,
    name: 'the weight of an output is ignored',
    find: 'return weight === 1 ? loss : tf.mul(loss, weight);',
    replace: 'return loss;',
  },
  {
    ...OPS,
    name: 'the loss of yes and no is a sum over the numbers',
    find: 'tf.mean(sigmoidCrossEntropy(tf, output.reshape(targets.shape), targets), -1)',
    replace: 'tf.sum(sigmoidCrossEntropy(tf, output.reshape(targets.shape), targets), -1)',
  },
  {
    ...OPS,
    name: 'the gradient of yes and no does not know the targets',
    find: 'tf.sub(tf.sigmoid(xIn), t)',
    replace: 'tf.sub(tf.sigmoid(xIn), 0.5)',
  },
  {
    ...OPS,
    name: 'samples of no are counted as yes',
    find: 'tf.stack([ofNo, ofYes], 1)',
    replace: 'tf.stack([ofYes, ofNo], 1)',
  },
  {
    ...OPS,
    name: 'the sixth most probable class counts as one of five',
    find: 'tf.less(before, TOP)',
    replace: 'tf.lessEqual(before, TOP)',
  },
  {
    ...OPS,
    name: 'a custom loss of several values is their sum',
    find: 'tf.mean(values.reshape([count, -1]), 1)',
    replace: 'tf.sum(values.reshape([count, -1]), 1)',
  },
  {
    ...BINARY,
    name: 'a yes and a no in one bin are in the right order',
    find: '(noBelow + no[bin] / 2)',
    replace: '(noBelow + no[bin])',
  },
  {
    ...BINARY,
    name: 'yes begins one bin too late',
    find: '[total(no, BINS / 2), total(yes, BINS / 2)]',
    replace: '[total(no, BINS / 2 + 1), total(yes, BINS / 2 + 1)]',
  },
  {
    ...CLASSES,
    name: 'precision and recall are swapped',
    find: 'precision: share(right, predicted),',
    replace: 'precision: share(right, labelled),',
  },
  {
    ...SAMPLES,
    name: 'the weight of a class is that of the sample with its number',
    find: 'classWeights?.[dataset.labels[sample]]',
    replace: 'classWeights?.[sample]',
  },
  {
    ...TASK,
    name: 'balanced weights count all splits',
    find: 'for (const sample of train)\n            counts[labels[sample]]++;',
    replace: 'for (const label of labels)\n            counts[label]++;',
  },
]
