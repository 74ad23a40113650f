import { Option } from 'commander'
import { weightsSha256 } from '../../model/weights-sha256.js'
import type { TrainedModel, WeightsName } from '../../exports/trained-model.js'
import { isSavedModel, loadTrainedModel, modelIn, WEIGHTS_NAMES } from '../../exports/trained-model.js'
import { ConvoyError } from '../../shared/errors.js'
import { standardError } from '../../shared/terminal.js'
import type { UsedWeights } from '../../tensorflow/inference/measurement.js'

/** `--weights`; see {@link loadChosenModel}. */
export function weightsOption(): Option {
  return new Option(
    '--weights <which>',
    'weights of the run (default: best; last if the run ended before its first validation)',
  ).choices(WEIGHTS_NAMES)
}

/**
 * Loads the weights of a run that `--weights` names, or the only weights of a saved model's directory.
 * @throws as loadTrainedModel; ConvoyError('usage') when weights are named in a directory of a saved model
 */
export async function loadChosenModel(
  place: string,
  chosen: WeightsName | undefined,
): Promise<{ readonly trained: TrainedModel; readonly used: UsedWeights }> {
  const isModel = isSavedModel(place)
  if (isModel && chosen !== undefined) {
    throw new ConvoyError(
      'usage',
      `--weights ${chosen}: ${place} is a saved model and holds one set of weights. Name the run's directory, or leave --weights out.`,
    )
  }
  const which = chosen ?? defaultOf(place)
  const trained = await loadTrainedModel(place, which)
  const sha256 = weightsSha256(trained.weights)
  return { trained, used: { weights: isModel ? null : which, step: trained.step, weightsSha256: sha256 } }
}

/** The best. A run that ended before its first validation has only the last ones. */
function defaultOf(run: string): WeightsName {
  if (modelIn(run, 'best') !== undefined || modelIn(run, 'last') === undefined) return 'best'
  standardError.printLine(`${run} ended before its first validation; using its last weights.`)
  return 'last'
}

/** One line for people. */
export function describeWeights({ weights, step, weightsSha256: sha256 }: UsedWeights, place: string): string {
  return `weights: ${weights ?? place}, step ${step}, sha256 ${sha256}`
}
