import type { Arrays, Column, Dataset, Split } from '../data/dataset.js'
import { isImages, sizeOf } from '../data/dataset.js'
import type { RunConfig } from '../model/config/run-config.js'
import type { ModelTask } from '../model/describe-model.js'
import type { Objective } from '../model/objectives/objective.js'
import { BUILT_IN_LOSSES, kindOfNumbers, NUMBER_LOSSES } from '../model/objectives/objective.js'
import type { CustomCode } from '../model/own/custom-code.js'
import type { ModelNeeds } from '../model/own/build-own-model.js'
import { ConvoyError } from '../shared/errors.js'
import { listed } from '../shared/log/listed.js'

type TaskConfig = Pick<RunConfig, 'loss' | 'outputs' | 'classWeights'>

/**
 * What a model takes of a data set, and what each of its outputs learns.
 * @param custom losses and metrics of the user's; undefined: none
 * @throws ConvoyError('usage') naming a setting that does not fit the data set
 */
export function planTask(
  config: TaskConfig,
  dataset: Dataset,
  split: Split,
  custom: Pick<CustomCode, 'losses' | 'metrics'> = { losses: {}, metrics: {} },
): ModelTask {
  const inputs = isImages(dataset) ? {} : { inputs: dataset.inputs }
  const weights = !isImages(dataset) && dataset.hasWeights ? { hasSampleWeights: true as const } : {}
  const classWeights = planClassWeights(config.classWeights, dataset, split.train)
  const objectives = planObjectives(config, dataset, split.train, custom)
  const [{ loss, metrics }] = objectives as [Objective]
  // The description of a model that learns classes as it always did stays as it was.
  const isPlain = dataset.classNames.length > 0 && loss === 'crossEntropy' && metrics === undefined
  return { ...inputs, ...weights, ...(classWeights && { classWeights }), ...(!isPlain && { objectives }) }
}

/** What a model of a user's has to take and give. */
export function needsOf(dataset: Dataset, { objectives }: ModelTask): ModelNeeds {
  const { classNames } = dataset
  const ofClasses = { name: 'class', kind: 'classes', loss: 'crossEntropy', size: classNames.length } as const
  const outputs = objectives ?? [ofClasses]
  if (!isImages(dataset)) return { inputs: dataset.inputs, outputs, hasImages: false }
  const image = { name: 'image', shape: [dataset.height, dataset.width, dataset.channels] }
  return { inputs: [image], outputs, hasImages: true }
}

/** One for each target, or for the classes of the samples. */
function planObjectives(
  config: TaskConfig,
  dataset: Dataset,
  train: Uint32Array,
  custom: Pick<CustomCode, 'losses' | 'metrics'>,
): Objective[] {
  const { outputs = {} } = config
  const { classNames, name } = dataset
  const targets: readonly Column[] =
    classNames.length > 0 ? [{ name: 'class', type: 'int32', shape: [], classNames }] : (dataset as Arrays).targets
  if (targets.length === 0)
    throw new ConvoyError('usage', `--data: ${name} has neither classes nor numbers to learn; choose another data set.`)
  const names = targets.map((target) => target.name)
  const unknown = Object.keys(outputs).find((output) => !names.includes(output))
  if (unknown !== undefined)
    throw new ConvoyError('usage', `outputs.${unknown}: ${name} has no such target; it has ${listed(names)}.`)
  const common = config.loss
  if (common !== undefined && NUMBER_LOSSES.some((loss) => loss === common) && targets.every(hasClasses))
    throw new ConvoyError(
      'usage',
      `--loss ${common}: ${name} has classes, which are learnt with cross-entropy; leave --loss out.`,
    )
  return targets.map((target, index) => {
    const own = outputs[target.name]
    const values = hasClasses(target) ? [] : (dataset as Arrays).targetValues[index]!
    const given = own?.loss ?? (hasClasses(target) && isBuiltIn(common) ? undefined : common)
    const origin = own?.loss === undefined ? '--loss' : `outputs.${target.name}.loss`
    if (given !== undefined && !isBuiltIn(given) && !Object.hasOwn(custom.losses, given))
      throw new ConvoyError(
        'usage',
        `${origin} ${given}: there is no such loss; use ${listed([...NUMBER_LOSSES, ...Object.keys(custom.losses)])}.`,
      )
    const metrics = metricsOf(target, custom.metrics)
    return {
      ...planObjective(target, values, given, origin, train),
      ...(own?.weight !== undefined && { weight: own.weight }),
      ...(metrics.length > 0 && { metrics }),
    }
  })
}

function hasClasses({ classNames }: Column): boolean {
  return classNames !== undefined
}

function isBuiltIn(loss: string | undefined): boolean {
  return loss !== undefined && BUILT_IN_LOSSES.includes(loss)
}

/** @param origin of the loss, for errors */
function planObjective(
  { name, shape, classNames }: Column,
  values: ArrayLike<number>,
  given: string | undefined,
  origin: string,
  train: Uint32Array,
): Objective {
  if (classNames) {
    if (isBuiltIn(given))
      throw new ConvoyError(
        'usage',
        `${origin}: ${name} has classes, which are learnt with cross-entropy; leave it out.`,
      )
    return { name, kind: 'classes', loss: given ?? 'crossEntropy', size: classNames.length }
  }
  const loss = given ?? 'meanSquaredError'
  const size = sizeOf(shape)
  const kind = kindOfNumbers(loss)
  if (kind === 'numbers') return { name, kind, loss, size, targetMeans: meansOf(values, size, train) }
  const wrong = Array.from(values).findIndex((value) => !(value >= 0 && value <= 1))
  if (wrong !== -1)
    throw new ConvoyError(
      'usage',
      `${origin} ${loss}: sample ${Math.floor(wrong / size)} has ${name} ${values[wrong]}; of yes and no, targets are 1 and 0.`,
    )
  return { name, kind, loss, size }
}

/** Names of the custom metrics that an output has. */
function metricsOf({ name }: Column, metrics: CustomCode['metrics']): string[] {
  return Object.entries(metrics).flatMap(([metric, of]) =>
    typeof of === 'function' || Object.hasOwn(of, name) ? [metric] : [],
  )
}

/** Mean of each number over samples, added in float64 in their order and rounded to float32. */
function meansOf(values: ArrayLike<number>, size: number, samples: Uint32Array): number[] {
  return Array.from({ length: size }, (_, output) => {
    let sum = 0
    for (const sample of samples) sum += values[sample * size + output]!
    return Math.fround(sum / samples.length)
  })
}

/**
 * By label, float32. Balanced: a class with n of all s samples of k classes has s / (k n), as scikit-learn's. One without samples has 0.
 * @throws ConvoyError('usage') for a class that does not exist
 */
function planClassWeights(
  given: RunConfig['classWeights'],
  { name, classNames, labels }: Dataset,
  train: Uint32Array,
): number[] | undefined {
  if (given === undefined) return undefined
  if (classNames.length === 0)
    throw new ConvoyError('usage', `classWeights: ${name} has no classes as its only target; leave it out.`)
  if (given === 'balanced') {
    const counts = classNames.map(() => 0)
    for (const sample of train) counts[labels[sample]!]!++
    return counts.map((count) => (count === 0 ? 0 : Math.fround(train.length / (classNames.length * count))))
  }
  const unknown = Object.keys(given).find((className) => !classNames.includes(className))
  if (unknown !== undefined)
    throw new ConvoyError(
      'usage',
      `classWeights.${unknown}: ${name} has no such class; it has ${listed(classNames, 10)}.`,
    )
  return classNames.map((className) => Math.fround(given[className] ?? 1))
}
