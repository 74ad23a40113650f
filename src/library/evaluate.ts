import type { SplitChoice } from '../data/sampling/choose-samples.js'
import type { Measurement, UsedWeights } from '../tensorflow/inference/measurement.js'
import { ConvoyProcess } from './convoy-process.js'
import type { DatasetHandle } from './define-dataset.js'
import type { RunPlace, WeightsOptions } from './run-place.js'
import { flagsOf, rejectUnknown } from './options.js'
import { directoryOfRun, WEIGHTS_OPTIONS, weightsFlags } from './run-place.js'

/** Of {@link evaluate}. */
export interface EvaluateOptions extends WeightsOptions {
  /** Another data set, with the same shape and class names. @default the data set of the run */
  readonly data?: DatasetHandle | string
  /** @default 'test'; 'all' for a data set that the run did not train on */
  readonly split?: SplitChoice
}

/** What {@link evaluate} measured, on what, and with which weights. */
export type EvaluatedModel = Measurement & UsedWeights

/**
 * Measures a trained model in a process of its own, as `convoy eval` does.
 *
 * @param run its directory, that of a saved model, or a run of `train` or `loadRun`
 * @throws ConvoyError('usage') for a run without trained weights, or data that do not fit; ConvoyError('data') for damaged ones
 */
export async function evaluate(run: RunPlace, options: EvaluateOptions = {}): Promise<EvaluatedModel> {
  rejectUnknown('evaluate', options, ['data', 'split', ...WEIGHTS_OPTIONS])
  const { data, split } = options
  const flags = flagsOf({ split, data: typeof data === 'object' ? data.fingerprint : data })
  const args = ['eval', await directoryOfRun(run), '--json', ...flags, ...weightsFlags(options)]
  return JSON.parse(await new ConvoyProcess(args, false).done) as EvaluatedModel
}
