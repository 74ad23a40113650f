/**
 * What other programs may use of Convoy: graphs for TensorFlow.js, and the native TensorFlow that they run on.
 *
 *     import { capture, loadTensorflow } from 'convoy'
 *     const { tf } = loadTensorflow()
 *     const fast = capture((x) => slow(x), [tf.zeros([128, 32, 32, 3])])
 */
export { capture } from './tensorflow/capture/capture.js'
export type { Capturable, Captured, CaptureOptions } from './tensorflow/capture/capture.js'
export { loadTensorflow } from './tensorflow/runtime/load-tensorflow.js'
export type { LoadedTensorflow, TensorFlow } from './tensorflow/runtime/load-tensorflow.js'
export type { Precision } from './model/config/run-config.js'
export { ConvoyError } from './shared/errors.js'
