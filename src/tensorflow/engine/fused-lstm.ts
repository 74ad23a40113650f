import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs'
import type { TensorFlow } from '../runtime/load-tensorflow.js'
import type { OpAttribute } from './native-backend.js'
import { nativeBackend } from './native-backend.js'

/** Values of all time steps, `[time, batch, units]` each, as BlockLSTMV2 gives them: gates, cell before and after tanh, outputs. */
type Activations = [
  input: Tensor3D,
  cell: Tensor3D,
  forget: Tensor3D,
  output: Tensor3D,
  candidate: Tensor3D,
  squashed: Tensor3D,
  h: Tensor3D,
]

/**
 * A layer of long short-term memory (Hochreiter and Schmidhuber 1997) over all time steps at once: BlockLSTMV2, in place of some thirty ops
 * for each step. Gates are sigmoids, in the order input, forget, cell, output; cell and output go through tanh.
 *
 * The gradient takes LSTMBlockCellGrad and one product for each step, and one product for the gradients of all steps: BlockLSTMGradV2 adds up
 * a product of each step, and takes twice as long.
 * @param x `[time, batch, input]`; @param kernel `[input + units, 4 · units]`: of the input, then of the last output; @param bias `[4 · units]`
 * @returns the outputs, `[time, batch, units]`
 */
export function fusedLstm(tf: TensorFlow, x: Tensor3D, kernel: Tensor2D, bias: Tensor1D): Tensor3D {
  const backend = nativeBackend(tf)
  const { binding } = backend
  const [steps, batch] = x.shape
  const units = bias.size / 4
  return tf.customGrad((xIn, kernelIn, biasIn, save) => {
    const [given, weights, offset] = [xIn, kernelIn, biasIn] as [Tensor3D, Tensor2D, Tensor1D]
    const [state, peephole] = [tf.zeros([batch, units]), tf.zeros([units])]
    const inputs = [int64(tf, steps), given, state, state, weights, peephole, peephole, peephole, offset]
    const noClipping: OpAttribute = { name: 'cell_clip', type: binding.TF_ATTR_FLOAT, value: 0 }
    const outputs = backend.executeMultipleOutputs('BlockLSTMV2', [...lstmAttributes(tf), noClipping], inputs, 7)
    ;(save as (tensors: Tensor[]) => void)([given, weights, ...outputs])
    const gradFunc = (dy: Tensor, [xSaved, kernelSaved, ...values]: Tensor[]): Tensor[] =>
      lstmGradients(tf, dy as Tensor3D, xSaved as Tensor3D, kernelSaved as Tensor2D, values as Activations)
    return { value: outputs[6]!, gradFunc }
  })(x, kernel, bias) as Tensor3D
}

/** @returns those of x, kernel and bias */
function lstmGradients(
  tf: TensorFlow,
  dy: Tensor3D,
  x: Tensor3D,
  kernel: Tensor2D,
  values: Activations,
): [Tensor, Tensor, Tensor] {
  const backend = nativeBackend(tf)
  const [steps, batch, units] = dy.shape
  const size = x.shape[2]
  // The gates' order here is that of LSTMBlockCellGrad.
  const reordered = exchangeGates(tf, kernel)
  const [ofInput, ofOutput] = tf.split(reordered, [size, units]) as [Tensor2D, Tensor2D]
  const [, cells, , , , , h] = values
  const none = tf.zeros([batch, units])
  const before = (all: Tensor3D): Tensor3D => tf.concat([none.expandDims<Tensor3D>(0), all.slice(0, steps - 1)])
  const [last, previousCells, peephole] = [before(h), before(cells), tf.zeros([units])]
  const perStep = [x, previousCells, last, ...values.slice(0, 6), dy].map((all) => tf.unstack(all!))
  const gates: Tensor[] = []
  let [cellGradient, outputGradient]: [Tensor, Tensor] = [none, none]
  for (let step = steps - 1; step >= 0; step--) {
    const [given, cell, output, i, c, f, o, ci, co, dyHere] = perStep.map((all) => all[step]!) as Tensor[]
    const weights = [reordered, peephole, peephole, peephole, tf.zeros([4 * units])]
    const inputs = [
      given!,
      cell!,
      output!,
      ...weights,
      i!,
      c!,
      f!,
      o!,
      ci!,
      co!,
      cellGradient,
      tf.add(dyHere!, outputGradient),
    ]
    const outputs = backend.executeMultipleOutputs('LSTMBlockCellGrad', lstmAttributes(tf), inputs, 5)
    cellGradient = outputs[0]!
    gates.unshift(outputs[1]!)
    if (step > 0) outputGradient = tf.matMul(outputs[1] as Tensor2D, ofOutput, false, true)
  }
  const all = tf.concat(gates as Tensor2D[])
  const kernelGradient = tf.concat([x, last].map((one) => tf.matMul(one.reshape([steps * batch, -1]), all, true)))
  return [
    tf.matMul(all, ofInput, false, true).reshape([steps, batch, size]),
    exchangeGates(tf, kernelGradient),
    exchangeGates(tf, all.sum(0, true)).flatten(),
  ]
}

/** Columns of the gates: second and third change places. @param columns `[rows, 4 · units]` */
function exchangeGates(tf: TensorFlow, columns: Tensor): Tensor2D {
  const [first, second, third, fourth] = tf.split(columns as Tensor2D, 4, 1) as Tensor2D[]
  return tf.concat([first!, third!, second!, fourth!], 1)
}

function lstmAttributes(tf: TensorFlow): OpAttribute[] {
  const { binding } = nativeBackend(tf)
  return [
    { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    { name: 'use_peephole', type: binding.TF_ATTR_BOOL, value: false },
  ]
}

/** A native int64 scalar. TensorFlow.js has no such type and calls it int32; only native ops that name the type may read it. */
function int64(tf: TensorFlow, value: number): Tensor {
  const backend = nativeBackend(tf)
  const { binding } = backend
  const attributes: OpAttribute[] = [
    { name: 'SrcT', type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 },
    { name: 'DstT', type: binding.TF_ATTR_TYPE, value: binding.TF_INT64 },
    { name: 'Truncate', type: binding.TF_ATTR_BOOL, value: false },
  ]
  const [native] = binding.executeOp('Cast', attributes, backend.getInputTensorIds([tf.scalar(value, 'int32')]), 1)
  return backend.createOutputTensor({ ...native!, dtype: binding.TF_INT32 })
}
