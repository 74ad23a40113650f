import type { LayersModel, Optimizer } from '@tensorflow/tfjs'
import { kindOfNumbers } from '../model/objectives/objective.js'
import { ConvoyError } from '../shared/errors.js'
import type { ReadOptimizer } from './read-optimizer.js'
import { readOptimizer } from './read-optimizer.js'

/** How the targets of an output are to be read. one-hot: rows of a 1 and zeros; labels: numbers of classes. */
export type TargetKind = 'one-hot' | 'labels' | 'numbers'

/** What an output learns. */
export interface CompiledOutput {
  readonly name: string
  readonly targets: TargetKind
  /** Of numbers, by Convoy's name or that of a custom one. Classes are learnt with cross-entropy. */
  readonly loss?: string
}

/** A measure of a run, and its name in logs and history. */
export interface LoggedMeasure {
  readonly log: string
  /** `accuracy`, or a name in the `metrics` of steps and evaluations. */
  readonly measure: string
}

/** What a compiled model learns, in terms of a run. */
export interface CompiledModel extends ReadOptimizer {
  /** In the order of the model's outputs. */
  readonly outputs: readonly CompiledOutput[]
  readonly measures: readonly LoggedMeasure[]
}

/** By the names of TensorFlow.js, without case. */
const OF_CLASSES: Readonly<Record<string, TargetKind>> = {
  categoricalcrossentropy: 'one-hot',
  sparsecategoricalcrossentropy: 'labels',
}
const OF_NUMBERS: Readonly<Record<string, string>> = {
  binarycrossentropy: 'binaryCrossentropy',
  meansquarederror: 'meanSquaredError',
  mse: 'meanSquaredError',
  meanabsoluteerror: 'meanAbsoluteError',
  mae: 'meanAbsoluteError',
  absolutedifference: 'meanAbsoluteError',
  huberloss: 'huberLoss',
}

const METRICS: Readonly<Record<string, 'acc' | 'mae' | 'mse'>> = {
  accuracy: 'acc',
  acc: 'acc',
  mae: 'mae',
  meanabsoluteerror: 'mae',
  mse: 'mse',
  meansquarederror: 'mse',
}

/**
 * @param hasCustomCode whether other losses and metrics are custom ones, by their names
 * @throws ConvoyError('usage') for a model that is not compiled, or with what Convoy does not have
 */
export function readCompiled(model: LayersModel, hasCustomCode = false): CompiledModel {
  const { optimizer, loss, metrics } = model as { optimizer?: Optimizer; loss?: unknown; metrics?: unknown }
  if (optimizer === undefined || loss === undefined)
    throw new ConvoyError('usage', 'fit: the model is not compiled; call model.compile({ optimizer, loss }) before.')
  checkTrainable(model)
  const { outputNames } = model
  const areSeveral = outputNames.length > 1
  const outputs = outputNames.map((name, index) => ({
    name,
    ...targetsOf(ofOutput(loss, name, index), hasCustomCode),
  }))
  const losses = areSeveral ? outputNames.map((name) => ({ log: `${name}_loss`, measure: `${name}_loss` })) : []
  const others = outputs.flatMap((output, index) =>
    metricsOf(metrics, output.name, index, areSeveral).map((metric) => {
      const { name } = output
      const { log, measure } = measureOf(metric, output, areSeveral, hasCustomCode)
      return areSeveral ? { log: `${name}_${log}`, measure: `${name}_${measure}` } : { log, measure }
    }),
  )
  const measures = new Map([...losses, ...others].map((measure) => [measure.log, measure]))
  return { outputs, measures: [...measures.values()], ...readOptimizer(optimizer) }
}

/**
 * TensorFlow.js trains, and keeps state for, what was trainable when the model was compiled.
 * @throws ConvoyError('usage') when that is not so any more
 */
function checkTrainable(model: LayersModel): void {
  const { trainableWeights } = model
  // A sequence of layers is compiled by the model inside of it.
  const { collectedTrainableWeights: compiled } = ((model as { model?: unknown }).model ?? model) as {
    readonly collectedTrainableWeights: LayersModel['trainableWeights']
  }
  if (compiled.length === trainableWeights.length && compiled.every((weight, at) => weight === trainableWeights[at]))
    return
  throw new ConvoyError(
    'usage',
    'fit: `trainable` of a layer was changed after the model was compiled; call model.compile({ optimizer, loss }) again.',
  )
}

/** One for all outputs, a list in their order, or a dictionary by their names. */
function ofOutput(given: unknown, name: string, index: number): unknown {
  if (Array.isArray(given)) return given.length === 1 ? (given[0] as unknown) : (given[index] as unknown)
  return typeof given === 'object' && given !== null ? (given as Record<string, unknown>)[name] : given
}

function targetsOf(given: unknown, hasCustomCode: boolean): Omit<CompiledOutput, 'name'> {
  const [name, plain] = [nameOf(given), plainNameOf(given)]
  const classes = OF_CLASSES[plain]
  if (classes !== undefined) return { targets: classes }
  const loss = OF_NUMBERS[plain] ?? (hasCustomCode ? name : undefined)
  if (loss !== undefined) return { targets: 'numbers', loss }
  throw new ConvoyError(
    'usage',
    `fit: the loss ${name} is not supported; use categoricalCrossentropy, sparseCategoricalCrossentropy, binaryCrossentropy, meanSquaredError, meanAbsoluteError or huberLoss, or give the module that has it with custom.`,
  )
}

/** Of one output: `metrics` is one or a list for all outputs, a list of lists, or a dictionary. */
function metricsOf(metrics: unknown, name: string, index: number, areSeveral: boolean): unknown[] {
  if (metrics === undefined || metrics === null) return []
  const areOfEach = areSeveral && Array.isArray(metrics) && metrics.some((one) => Array.isArray(one))
  const own: unknown = Array.isArray(metrics) && !areOfEach ? metrics : ofOutput(metrics, name, index)
  return [own ?? []].flat()
}

function measureOf(
  metric: unknown,
  { name: output, targets, loss }: CompiledOutput,
  areSeveral: boolean,
  hasCustomCode: boolean,
): LoggedMeasure {
  const log = METRICS[plainNameOf(metric)]
  const kind = loss === undefined ? 'classes' : kindOfNumbers(loss)
  if (log === 'acc' && kind !== 'numbers') return { log, measure: 'accuracy' }
  if (log === 'mae' && kind === 'numbers') return { log, measure: 'mae' }
  if (log === 'mse' && loss === 'meanSquaredError') return { log, measure: 'loss' }
  const name = nameOf(metric)
  if (log === undefined && hasCustomCode) return { log: name, measure: name }
  throw new ConvoyError(
    'usage',
    `fit: the metric ${name} is not supported with the loss${areSeveral ? ` of ${output}` : ''}; ${targets === 'numbers' && kind === 'numbers' ? 'of numbers, mae is measured, and mse where it is the loss' : 'of classes, and of yes or no, accuracy is measured'}.`,
  )
}

/** A name as given, or that of a function. */
function nameOf(given: unknown): string {
  if (typeof given === 'string') return given
  if (typeof given === 'function') return given.name.replace(/__op$|_$/, '')
  return JSON.stringify(given) ?? 'undefined'
}

/** TensorFlow.js takes it in several spellings. */
function plainNameOf(given: unknown): string {
  return nameOf(given).toLowerCase().replaceAll('_', '')
}
