/**
 * What other programs may use of Convoy: runs (`train`, `loadRun`), trained models (`evaluate`, `predict`), `fit` in place of `model.fit`, graphs for
 * TensorFlow.js, and the native TensorFlow that they run on. docs/reference/api.md is generated from this file.
 *
 *     import { defineDataset, defineModel, train } from 'convoy'
 *     const run = train({ model: defineModel(model), data: await defineDataset({ name, inputs, labels, classNames }) })
 *     for await (const event of run) console.log(event)
 *     const { test } = await run.result
 */
export { train } from './library/train.js'
export type { TrainingRun } from './library/train.js'
export type { TrainOptions } from './library/train-options.js'
export { defineModel } from './library/define-model.js'
export type { ModelDefinition } from './library/define-model.js'
export { defineDataset } from './library/define-dataset.js'
export type { DatasetDefinition, DatasetHandle } from './library/define-dataset.js'
export type { ArrayInput } from './library/array-input.js'
export { evaluate } from './library/evaluate.js'
export type { EvaluatedModel, EvaluateOptions } from './library/evaluate.js'
export { predict } from './library/predict.js'
export type {
  ArrayInputs,
  ImageInputs,
  PredictedArrays,
  PredictedImages,
  PredictedTable,
  PredictOptions,
  TableInput,
} from './library/predict.js'
export type { Pixels } from './library/pixels.js'
export type { RunPlace, WeightsOptions } from './library/run-place.js'
export { loadRun } from './library/load-run.js'
export type { LoadedRun, NamedWeights, RunStatus } from './library/load-run.js'
export type { Targets, Values } from './library/values.js'
export type { MetricsLine } from './reporting/sinks/metrics-line.js'
export type { BestEvaluation, EvaluationResult, RunResult, RunTiming, WeightsSummary } from './training/run-events.js'
export type { Evaluation } from './model/objectives/evaluation.js'
export type { ImageOverlap } from './data/image-overlap.js'
export type { LeftOut } from './data/formats/left-out.js'
export type { Measurement, UsedWeights } from './tensorflow/inference/measurement.js'
export type { ClassProbability, OutputPrediction, PredictedOutput } from './tensorflow/inference/predict-samples.js'
export type { Prediction, Predictions } from './tensorflow/inference/predict-images.js'
export type { RowPrediction } from './tensorflow/inference/predict-table.js'
export { fit } from './library/fit.js'
export { fitDataset } from './library/fit-dataset.js'
export type { BatchDataset, FitDatasetArgs } from './library/fit-dataset.js'
export type { FitArgs, FitCallbacks, FitHistory } from './library/fit-args.js'
export { capture } from './tensorflow/capture/capture.js'
export type { Capturable, Captured, CaptureOptions } from './tensorflow/capture/capture.js'
export { loadTensorflow } from './tensorflow/runtime/load-tensorflow.js'
export type { LoadedTensorflow } from './tensorflow/runtime/load-tensorflow.js'
export type { TensorFlow } from './tensorflow/engine/native-backend.js'
export type { Precision, RunConfig, RunConfigInput } from './model/config/run-config.js'
export { ConvoyError } from './shared/errors.js'
