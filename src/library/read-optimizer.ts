import type { Optimizer } from '@tensorflow/tfjs'
import type { RunConfigInput } from '../model/config/run-config.js'
import { ConvoyError } from '../shared/errors.js'

/** What an optimizer of TensorFlow.js is in a run. */
export interface ReadOptimizer {
  readonly optimizer: RunConfigInput['optimizer']
  /** Its learning rate is constant: `model.fit` has no schedule. */
  readonly schedule: RunConfigInput['schedule']
  readonly slots: OptimizerSlots
}

/**
 * The state vectors of the run's optimizer, in the order in which TensorFlow.js has them, with its name for each: `m` in `dense/kernel/m`.
 * undefined: it has no such variables, and the vector stays as it begins.
 */
export type OptimizerSlots = Readonly<Record<string, string | undefined>>

type Config = Readonly<Record<string, number | boolean>>

const READERS: Readonly<Record<string, (config: Config) => Pick<ReadOptimizer, 'optimizer' | 'slots'>>> = {
  SGD: () => ({ optimizer: { kind: 'sgd', momentum: 0, nesterov: false }, slots: { velocity: undefined } }),
  Momentum: ({ momentum, useNesterov }) => ({
    optimizer: { kind: 'sgd', momentum: Number(momentum), nesterov: Boolean(useNesterov) },
    slots: { velocity: 'momentum' },
  }),
  RMSProp: ({ decay, momentum, epsilon, centered }) => ({
    optimizer: {
      ...{ kind: 'rmsprop', decay: Number(decay), momentum: Number(momentum) },
      ...{ epsilon: Number(epsilon), centered: Boolean(centered) },
    },
    slots: { meanSquare: 'rms', change: 'momentum', meanGradient: centered === true ? 'mg' : undefined },
  }),
  Adagrad: ({ initialAccumulatorValue }) => ({
    optimizer: { kind: 'adagrad', initialAccumulatorValue: Number(initialAccumulatorValue) },
    slots: { accumulator: 'accumulator' },
  }),
  Adadelta: ({ rho, epsilon }) => ({
    optimizer: { kind: 'adadelta', rho: Number(rho), epsilon: Number(epsilon) },
    slots: { squaredGradients: 'accum_grad', squaredUpdates: 'accum_var' },
  }),
  Adam: ({ beta1, beta2, epsilon }) => ({
    optimizer: {
      ...{ kind: 'adamw', beta1: Number(beta1), beta2: Number(beta2) },
      ...{ epsilon: Number(epsilon), weightDecay: 0 },
    },
    slots: { first: 'm', second: 'v' },
  }),
  Adamax: ({ beta1, beta2, epsilon, decay }) => ({
    optimizer: {
      ...{ kind: 'adamax', beta1: Number(beta1), beta2: Number(beta2) },
      ...{ epsilon: Number(epsilon), decay: Number(decay) },
    },
    slots: { first: 'm', largest: 'v' },
  }),
}

/**
 * The settings that an optimizer of TensorFlow.js stands for.
 * @throws ConvoyError('usage') for one that Convoy does not have
 */
export function readOptimizer(optimizer: Optimizer): ReadOptimizer {
  const name = optimizer.getClassName()
  const read = READERS[name]
  if (read === undefined)
    throw new ConvoyError(
      'usage',
      `fit: the optimizer ${name} is not supported; use tf.train.sgd, momentum, rmsprop, adagrad, adadelta, adam or adamax.`,
    )
  const config = optimizer.getConfig() as Config
  return { ...read(config), schedule: { kind: 'step', initial: Number(config['learningRate']), milestones: [] } }
}
