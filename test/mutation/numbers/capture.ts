import type { NumberMutation } from '../mutation.js'

const LOWERING = {
  file: 'tensorflow/capture/mixed-precision.js',
  tests: ['unit/tensorflow/capture / casts only|lowers only|computes the gradient'],
}
const PRODUCTS = {
  file: 'tensorflow/capture/filter-gradients.js',
  tests: ['unit/tensorflow/capture / casts only|lowers only|computes the gradient'],
}
const TRANSPOSES = {
  file: 'tensorflow/capture/transposes.js',
  tests: ['unit/tensorflow/capture / a pad|slices and joins'],
}
const RECORDING = {
  file: 'tensorflow/capture/recording.js',
  tests: ['unit/tensorflow/capture', 'unit/tensorflow/engine-vector'],
}

/** Graphs and passes over them: only bfloat16 may change a number. */
export const CAPTURE: readonly NumberMutation[] = [
  {
    ...TRANSPOSES,
    name: 'rows of a pad or a slice stay where they were without the transposes around it',
    find: 'axis * width);',
    replace: 'row * width);',
  },
  {
    ...TRANSPOSES,
    name: 'transposes that do not cancel each other are removed',
    find: 'there[axis] !== index)',
    replace: 'false)',
  },
  {
    ...TRANSPOSES,
    name: 'the axes of a slice are not moved',
    find: 'Slice: [1, 2]',
    replace: 'Slice: [1]',
  },
  {
    ...RECORDING,
    name: 'a cast to another type is removed from the graph',
    find: "if (op === 'Cast' && results[0].dtype === typeOfInput(references, 0))",
    replace: "if (op === 'Cast')",
  },
  {
    ...RECORDING,
    name: 'the second output of an op is taken for the first',
    find: 'this.#known.set(id, { node, index }));',
    replace: 'this.#known.set(id, { node, index: 0 }));',
  },
  {
    ...LOWERING,
    name: 'outputs of a bfloat16 graph stay bfloat16',
    find: 'cast(current(output), FLOAT32)',
    replace: 'current(output)',
  },
  {
    ...LOWERING,
    name: 'an addition of a bfloat16 and a float32 value is in float32',
    find: "rule.when === 'always' || low.some(",
    replace: "rule.when === 'always' || low.every(",
  },
  {
    ...LOWERING,
    name: 'means are in bfloat16',
    find: "Relu: { when: 'follows', inputs: [0] },",
    replace: "Relu: { when: 'follows', inputs: [0] },\n    Mean: { when: 'follows', inputs: [0] },",
  },
  {
    ...LOWERING,
    name: 'logits are in bfloat16',
    find: "Relu: { when: 'follows', inputs: [0] },",
    replace: "Relu: { when: 'follows', inputs: [0] },\n    MatMul: { when: 'always', inputs: [0, 1] },",
  },
  {
    ...LOWERING,
    name: 'the gradients of kernels are in float32',
    find: "Conv2DBackpropFilter: { when: 'always', inputs: [0, 2] },",
    replace: '',
  },
  {
    ...PRODUCTS,
    name: 'gradients of kernels as products are padded on the other side',
    find: '[total >> 1, total - (total >> 1)]',
    replace: '[total - (total >> 1), total >> 1]',
  },
  {
    ...PRODUCTS,
    name: 'gradients of kernels as products are transposed in space',
    find: 'for (let y = 0; y < kernelHeight; y++) {\n        for (let x = 0; x < kernelWidth; x++) {',
    replace: 'for (let x = 0; x < kernelWidth; x++) {\n        for (let y = 0; y < kernelHeight; y++) {',
  },
  {
    ...PRODUCTS,
    name: 'kernels of 65,536 weights are no products',
    find: 'inputChannels * outputChannels >=',
    replace: 'inputChannels * outputChannels >',
  },
  {
    ...PRODUCTS,
    name: 'kernels at 8 x 8 are no products',
    find: 'height * width <=',
    replace: 'height * width <',
  },
]
