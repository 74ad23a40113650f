import type { DecodedArrays } from '../data/formats/dataset-format.js'
import { ConvoyError } from '../shared/errors.js'
import { counted } from '../shared/units.js'
import type { FitArgs } from './fit-args.js'
import type { PackedTargets } from './pack-targets.js'

/**
 * What the loss of each sample is multiplied by: its own weight, times that of its class. Those to validate on have 1.
 * @param trained number of samples to train on; @param count of all samples
 * @throws ConvoyError('usage') for weights that do not fit the samples
 */
export function packWeights(
  { classWeight, sampleWeight }: Pick<FitArgs, 'classWeight' | 'sampleWeight'>,
  learnt: PackedTargets,
  trained: number,
  count: number,
): Pick<DecodedArrays, 'hasWeights' | 'sampleWeights'> {
  if (classWeight === undefined && sampleWeight === undefined) return { sampleWeights: new Float32Array(0) }
  const given = sampleWeight?.dataSync()
  if (given !== undefined && given.length !== trained)
    throw new ConvoyError(
      'usage',
      `fit: sampleWeight has ${given.length} numbers for ${counted(trained, 'sample')}; give one each.`,
    )
  const classes = classWeight === undefined ? undefined : classesOf(learnt)
  const sampleWeights = new Float32Array(count).fill(1)
  for (let sample = 0; sample < trained; sample++) {
    const weight = (given?.[sample] ?? 1) * (classWeight?.[classes![sample]!] ?? 1)
    if (!(weight >= 0 && weight < Infinity))
      throw new ConvoyError('usage', `fit: the weight of sample ${sample} is ${weight}; weights are numbers from 0 on.`)
    sampleWeights[sample] = weight
  }
  return { hasWeights: true, sampleWeights }
}

/** The class of each sample, or the number that it has to learn, if that is one of yes (1) and no (0). */
function classesOf({ labels, classNames, targets, targetValues }: PackedTargets): ArrayLike<number> {
  if (classNames.length > 0) return labels
  const isOne = targets.length === 1 && targets[0]!.shape.length === 0 && targets[0]!.classNames === undefined
  if (isOne && targetValues[0]!.every((value) => value === 0 || value === 1)) return targetValues[0]!
  throw new ConvoyError(
    'usage',
    'fit: classWeight is for one output of classes, or of 0 and 1; give sampleWeight in its place.',
  )
}
