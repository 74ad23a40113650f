/**
 * What other programs may use of Convoy: `fit`, which is `model.fit` on all cores or GPUs; graphs for TensorFlow.js; and the native
 * TensorFlow that they run on.
 *
 *     import { fit } from 'convoy'
 *     const { history } = await fit(model, x, y, { epochs: 10, validationSplit: 0.1 })
 *
 *     import { capture, loadTensorflow } from 'convoy'
 *     const { tf } = loadTensorflow()
 *     const fast = capture((x) => slow(x), [tf.zeros([128, 32, 32, 3])])
 */
export { fit } from './library/fit.js'
export { fitDataset } from './library/fit-dataset.js'
export type { FitDatasetArgs } from './library/fit-dataset.js'
export type { FitArgs, FitCallbacks, FitHistory } from './library/fit-args.js'
export { capture } from './tensorflow/capture/capture.js'
export type { Capturable, Captured, CaptureOptions } from './tensorflow/capture/capture.js'
export { loadTensorflow } from './tensorflow/runtime/load-tensorflow.js'
export type { LoadedTensorflow, TensorFlow } from './tensorflow/runtime/load-tensorflow.js'
export type { Precision } from './model/config/run-config.js'
export { ConvoyError } from './shared/errors.js'
