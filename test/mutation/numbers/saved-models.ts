import type { NumberMutation } from '../mutation.js'

const SAFETENSORS = { file: 'exports/encode-safetensors.js', tests: ['unit/exports/saved-model'] }
const SAFETENSORS_MODEL = { file: 'exports/safetensors-model.js', tests: ['unit/exports/saved-model'] }
const LAYERS = { file: 'exports/layers-model.js', tests: ['unit/exports/saved-model'] }
const METADATA = { file: 'exports/model-metadata.js', tests: ['unit/exports/saved-model'] }
const GIVEN_STATE = { file: 'cli/new-state.js', tests: ['unit/cli/new-state'] }
const OPTIMIZER_STATE = { file: 'library/optimizer-state.js', tests: ['integration/fit-optimizers / adam$'] }

/** Files of weights, and their metadata. */
export const SAVED_MODELS: readonly NumberMutation[] = [
  {
    ...SAFETENSORS,
    name: 'values of safetensors are big-endian',
    find: 'yield Buffer.from(values.buffer, values.byteOffset, values.byteLength)',
    replace: 'yield Buffer.from(Buffer.from(values.buffer, values.byteOffset, values.byteLength)).swap32()',
  },
  {
    ...SAFETENSORS,
    file: 'exports/decode-safetensors.js',
    name: 'values of safetensors are read as big-endian',
    find: 'Buffer.from(values.buffer).set(bytes.subarray(dataStart + from, dataStart + to));',
    replace: 'Buffer.from(values.buffer).set(Buffer.from(bytes.subarray(dataStart + from, dataStart + to)).swap32());',
  },
  {
    ...SAFETENSORS,
    name: 'safetensors declare float64',
    find: "dtype: 'F32', shape",
    replace: "dtype: 'F64', shape",
  },
  {
    ...SAFETENSORS,
    name: 'the shapes of safetensors are reversed',
    find: "{ dtype: 'F32', shape, data",
    replace: "{ dtype: 'F32', shape: shape.toReversed(), data",
  },
  {
    ...SAFETENSORS,
    name: 'the header of safetensors is not aligned',
    find: "' '.repeat((8 - (Buffer.byteLength(json) % 8)) % 8)",
    replace: "' '.repeat(0)",
  },
  {
    ...SAFETENSORS_MODEL,
    name: 'the tensors of safetensors are in another order than the weights',
    find: 'encodeSafetensors(tensors, {',
    replace:
      'encodeSafetensors(tensors.map(({ name, shape }, at, all) => ({ name, shape, values: all.at(-1 - at).values })), {',
  },
  {
    ...SAFETENSORS_MODEL,
    file: 'exports/trained-model.js',
    name: 'saved kernels are transposed',
    find: 'values: vector.subarray(offset, offset + size)',
    replace:
      'values: shape.length === 2 ? Float32Array.from({ length: size }, (_, at) => vector[offset + (at % shape[0]) * shape[1] + Math.floor(at / shape[0])]) : vector.subarray(offset, offset + size)',
  },
  {
    ...LAYERS,
    name: 'the tensors of weights.bin are in another order than in the manifest',
    find: 'weights: tensors.map(',
    replace: 'weights: tensors.toReversed().map(',
  },
  {
    ...LAYERS,
    name: 'weights.bin is declared as int32',
    find: "dtype: 'float32'",
    replace: "dtype: 'int32'",
  },
  {
    ...METADATA,
    name: 'a saved model declares unscaled pixels as input',
    find: 'scale: 1 / 255',
    replace: 'scale: 1',
  },
  {
    ...METADATA,
    name: 'a saved model states the width as the height',
    find: 'const { height, width, channels } = imageShapeOf(model);',
    replace: 'const { height: width, width: height, channels } = imageShapeOf(model);',
  },
  {
    ...METADATA,
    name: 'a saved model declares logits as output',
    find: "? 'probabilities' : 'logits'",
    replace: "? 'logits' : 'probabilities'",
  },
  {
    ...METADATA,
    name: 'a saved model states its step as one less',
    find: '        step,\n',
    replace: '        step: step - 1,\n',
  },
  {
    ...METADATA,
    name: 'a saved model names its classes in another order',
    find: 'classNames: dataset.classNames,',
    replace: 'classNames: dataset.classNames.toReversed(),',
  },
  {
    file: 'exports/run-models.js',
    tests: ['unit/exports/saved-model'],
    name: 'a saved model states its loss as its accuracy',
    find: 'validationAccuracy: validation.accuracy',
    replace: 'validationAccuracy: validation.loss',
  },
  {
    file: 'model/weights-sha256.js',
    tests: ['unit/training/semantics-vectors'],
    name: 'the hash of weights leaves out the last of them',
    find: 'bytesOf(weights)',
    replace: 'bytesOf(weights.subarray(0, -1))',
  },
  {
    ...GIVEN_STATE,
    name: 'an optimizer that goes on corrects its bias as in the first step',
    find: 'numbersAfter(steps, config.optimizer)',
    replace: 'numbersAfter(0, config.optimizer)',
  },
  {
    ...GIVEN_STATE,
    name: 'the state of an optimizer is in the order of its file',
    find: 'values.set(part, offset);',
    replace: 'values.set(tensors.find(({ values: own }) => own.length === size).values, offset);',
  },
  {
    file: 'model/own/model-source.js',
    tests: ['unit/model/model-source'],
    name: 'the hash of a model is without the state of its optimizer',
    find: '...weights, ...optimizer]',
    replace: '...weights]',
  },
  {
    ...OPTIMIZER_STATE,
    name: 'fit begins with a new optimizer',
    find: 'if (steps === 0)',
    replace: 'if (steps >= 0)',
  },
  {
    ...OPTIMIZER_STATE,
    name: 'the optimizer of a model counts the steps of the last fit only',
    find: 'steps: optimizer.iterations + steps',
    replace: 'steps',
  },
]
