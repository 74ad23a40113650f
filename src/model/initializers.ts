import { ConvoyError } from '../shared/errors.js'
import type { Initializer } from './parameter-layout.js'

/** An initializer or regularizer of TensorFlow.js layers, as `getConfig` gives it. */
export interface Serialised {
  readonly className: string
  readonly config: Record<string, unknown>
}

/**
 * What TensorFlow.js would draw a weight with, as a pure function of the seed.
 * @param where of the weight, for the error
 * @throws ConvoyError('usage') for an initializer that is not stock
 */
export function initializerOf(initializer: Serialised | null, shape: readonly number[], where: string): Initializer {
  const settings = (initializer?.config ?? {}) as Record<string, number | string | undefined>
  const number = (name: string, otherwise = 0): number => Number(settings[name] ?? otherwise)
  switch (initializer?.className) {
    case 'Zeros':
      return { kind: 'constant', value: 0 }
    case 'Ones':
      return { kind: 'constant', value: 1 }
    case 'Constant':
      return { kind: 'constant', value: number('value') }
    case 'RandomUniform':
      return { kind: 'range', low: number('minval'), high: number('maxval') }
    case 'RandomNormal':
      return { kind: 'normal', mean: number('mean'), deviation: number('stddev') }
    case 'TruncatedNormal':
      return { kind: 'truncated-normal', mean: number('mean'), deviation: number('stddev') }
    case 'VarianceScaling': {
      const variance = number('scale', 1) / fanOf(String(settings['mode']), shape)
      return settings['distribution'] === 'uniform'
        ? { kind: 'uniform', limit: Math.sqrt(3 * variance) }
        : { kind: 'truncated-normal', mean: 0, deviation: Math.sqrt(variance) }
    }
    case 'Orthogonal':
      return { kind: 'orthogonal', gain: number('gain', 1) }
    case 'Identity':
      return { kind: 'identity', gain: number('gain', 1) }
  }
  throw new ConvoyError(
    'usage',
    `${where}: the initializer ${initializer?.className ?? 'none'} is not supported; use one of TensorFlow.js, such as heNormal.`,
  )
}

/** The fan named by the mode, at least 1: He et al. 2015, Glorot and Bengio 2010. As TensorFlow.js counts it. */
function fanOf(mode: string, shape: readonly number[]): number {
  const [fanIn, fanOut] = fansOf(shape)
  return Math.max(1, mode === 'fanIn' ? fanIn : mode === 'fanOut' ? fanOut : (fanIn + fanOut) / 2)
}

function fansOf(shape: readonly number[]): readonly [number, number] {
  const product = (sizes: readonly number[]): number => sizes.reduce((sizesSoFar, size) => sizesSoFar * size, 1)
  if (shape.length < 2 || shape.length > 5) return [Math.sqrt(product(shape)), Math.sqrt(product(shape))]
  const receptiveField = product(shape.slice(0, -2))
  return [shape.at(-2)! * receptiveField, shape.at(-1)! * receptiveField]
}
