import type { LayersModel, Optimizer } from '@tensorflow/tfjs'
import type { RunConfigInput } from '../model/config/run-config.js'
import type { NumberLoss } from '../model/objective.js'
import { ConvoyError } from '../shared/errors.js'

/** How the targets of a compiled model are to be read, and what is measured. */
export interface CompiledModel {
  /** one-hot: rows of a 1 and zeros; labels: numbers of classes. Otherwise numbers are learnt. */
  readonly targets: 'one-hot' | 'labels' | NumberLoss
  /** Names of the metrics in logs and history. */
  readonly metrics: readonly MetricName[]
  readonly optimizer: RunConfigInput['optimizer']
  readonly schedule: RunConfigInput['schedule']
}

export type MetricName = 'acc' | 'mae' | 'mse'

/** By the names of TensorFlow.js, without case. */
const TARGETS: Readonly<Record<string, CompiledModel['targets']>> = {
  categoricalcrossentropy: 'one-hot',
  sparsecategoricalcrossentropy: 'labels',
  meansquarederror: 'meanSquaredError',
  mse: 'meanSquaredError',
  meanabsoluteerror: 'meanAbsoluteError',
  mae: 'meanAbsoluteError',
  absolutedifference: 'meanAbsoluteError',
  huberloss: 'huberLoss',
}

const METRICS: Readonly<Record<string, MetricName>> = {
  accuracy: 'acc',
  acc: 'acc',
  mae: 'mae',
  meanabsoluteerror: 'mae',
  mse: 'mse',
  meansquarederror: 'mse',
}

/** @throws ConvoyError('usage') for a model that is not compiled, or with what Convoy does not have */
export function readCompiled(model: LayersModel): CompiledModel {
  const { optimizer, loss, metrics } = model as Partial<Pick<LayersModel, 'optimizer' | 'loss' | 'metrics'>>
  if (optimizer === undefined || loss === undefined)
    throw new ConvoyError('usage', 'fit: the model is not compiled; call model.compile({ optimizer, loss }) before.')
  const targets = TARGETS[nameOf(loss)]
  if (targets === undefined)
    throw new ConvoyError(
      'usage',
      `fit: the loss ${nameOf(loss)} is not supported yet; use categoricalCrossentropy, sparseCategoricalCrossentropy, meanSquaredError, meanAbsoluteError or huberLoss.`,
    )
  const names = [(metrics as unknown as undefined | string | unknown[]) ?? []]
    .flat()
    .map((metric) => metricOf(metric, targets))
  return { targets, metrics: [...new Set(names)], ...optimizerOf(optimizer) }
}

function metricOf(metric: unknown, targets: CompiledModel['targets']): MetricName {
  const name = METRICS[nameOf(metric)]
  const hasClasses = targets === 'one-hot' || targets === 'labels'
  const isMeasured = hasClasses ? name === 'acc' : name === 'mae' || (name === 'mse' && targets === 'meanSquaredError')
  if (name !== undefined && isMeasured) return name
  throw new ConvoyError(
    'usage',
    `fit: the metric ${nameOf(metric)} is not supported with this loss; ${hasClasses ? 'of classes, accuracy is measured' : 'of numbers, mae is measured, and mse where it is the loss'}.`,
  )
}

/** A name as given, or that of a function of TensorFlow.js. */
function nameOf(given: unknown): string {
  const one: unknown = Array.isArray(given) && given.length === 1 ? given[0] : given
  if (typeof one === 'string') return one.toLowerCase().replaceAll('_', '')
  if (typeof one === 'function') return one.name.replace(/__op$|_$/, '').toLowerCase()
  return JSON.stringify(one) ?? 'undefined'
}

/** Constant rates: `model.fit` has no schedule. */
function optimizerOf(optimizer: Optimizer): Pick<CompiledModel, 'optimizer' | 'schedule'> {
  const config = optimizer.getConfig() as Record<string, number | boolean>
  const schedule: CompiledModel['schedule'] = {
    kind: 'step',
    initial: Number(config['learningRate']),
    milestones: [],
  }
  switch (optimizer.getClassName()) {
    case 'SGD':
      return { schedule, optimizer: { kind: 'sgd', momentum: 0, nesterov: false } }
    case 'Momentum': {
      const { momentum, useNesterov } = config
      return { schedule, optimizer: { kind: 'sgd', momentum: Number(momentum), nesterov: Boolean(useNesterov) } }
    }
    case 'Adam': {
      const [beta1, beta2, epsilon] = ['beta1', 'beta2', 'epsilon'].map((name) => Number(config[name]))
      return { schedule, optimizer: { kind: 'adamw', beta1: beta1!, beta2: beta2!, epsilon: epsilon!, weightDecay: 0 } }
    }
    default:
      throw new ConvoyError(
        'usage',
        `fit: the optimizer ${optimizer.getClassName()} is not supported yet; use tf.train.sgd, momentum or adam.`,
      )
  }
}
