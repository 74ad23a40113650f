import type { SplitChoice } from '../data/sampling/choose-samples.js'
import { isImages } from '../data/dataset.js'
import { smallSampleWarning } from '../model/config/run-warnings.js'
import type { RunDescription } from '../model/run-description.js'
import { listed } from '../shared/log/listed.js'
import { counted } from '../shared/units.js'
import { describeQuality } from '../training/describe-quality.js'
import type { Measurement } from '../tensorflow/inference/measurement.js'

/** Digits of a fingerprint in messages; `--data` accepts as many. */
const SHOWN_DIGITS = 16

/**
 * The result for people: what was measured, how, and warnings about the reliability of the number.
 */
export function describeMeasurement(
  measurement: Measurement,
  { dataset: trainedOn, config }: RunDescription,
): { readonly headline: string; readonly notes: string[]; readonly warnings: string[] } {
  const { split, samples, classNames, dataset, classesWithoutSamples, overlap } = measurement
  const { name, fingerprint, from, isTrainedOn } = dataset
  const images = counted(samples, isImages(trainedOn) ? 'image' : 'sample')
  const headline =
    `${split}: ${describeQuality(measurement)} on ${images} of ${name} ` +
    `(fingerprint ${fingerprint.slice(0, SHOWN_DIGITS)}${isTrainedOn ? '' : ', not the data set of the run'}${from === undefined ? '' : `; ${from}`})`
  const notes = [
    ...(isTrainedOn || split === 'all'
      ? []
      : [
          `The ${split} split of ${name} was made with the run's seed ${config.seed}; --split all measures all images.`,
        ]),
    ...(classesWithoutSamples.length > 0
      ? [`The measured images have none of these classes of the model: ${listed(classesWithoutSamples)}.`]
      : []),
  ]
  const small = smallSampleWarning(samples, trainedOn)
  const warnings = [
    ...(small === undefined ? [] : [`Measured on ${images}: ${small}`]),
    ...(!isTrainedOn && classNames.length > 0 && classNames.every((className, label) => className === String(label))
      ? ['The class names are numbers: Convoy cannot check that a number means the same class in both data sets.']
      : []),
    ...overlapWarnings(),
  ]
  return { headline, notes, warnings }

  function overlapWarnings(): string[] {
    if (overlap === null) {
      return [
        `Overlap with the training images could not be checked: the data set ${trainedOn.name} of the run ` +
          `(fingerprint ${trainedOn.fingerprint.slice(0, SHOWN_DIGITS)}) is not in the cache.`,
      ]
    }
    const { training, validation } = overlap
    const isOwn = (part: SplitChoice): boolean => isTrainedOn && split === part
    return [
      ...(training > 0 && !isOwn('train')
        ? [
            `${training} of the ${images} are also in the run's training split (equal pixels): the model was trained on them.`,
          ]
        : []),
      ...(validation > 0 && !isOwn('validation')
        ? [`${validation} of the ${images} are also in the run's validation split, which chose the best weights.`]
        : []),
    ]
  }
}
