import type { AugmentationConfig } from '../../data/sampling/augmentation.js'
import type { RunConfig } from '../../model/config/run-config.js'
import { networkName } from '../../model/config/run-config.js'
import type { RunHeader } from './page-state.js'
import { counted, formatNumber, formatPercent } from '../../shared/units.js'
import type { PlateauConfig } from '../../training/callbacks/plateau.js'
import { optimizerOf } from '../../training/optimizers/optimizers.js'
import { scheduleOf } from '../../training/schedules/schedules.js'

/** Of one run, beside its configuration. */
interface Sizes {
  readonly parameterCount: number
  readonly totalSteps: number
  /** In images. */
  readonly splitSizes: Readonly<Record<string, number>>
}

/** What decides the weights, beside the data set: name and value, in words. */
export function hyperparameters(
  config: RunConfig,
  { parameterCount, totalSteps, splitSizes }: Sizes,
): RunHeader['hyperparameters'] {
  const { network, batchSize, shardSize, epochs, maxSteps, precision, wire, labelSmoothing, clipNorm } = config
  const planned = Math.ceil((epochs * (splitSizes['train'] ?? 0)) / batchSize)
  const batch = `${counted(batchSize, 'image')} in ${counted(batchSize / shardSize, 'shard')}`
  const { optimizer, schedule, earlyStopping, plateau } = config
  return [
    ['Network', networkName(config)],
    ['Parameters', count(parameterCount)],
    ['Optimizer', optimizerOf(optimizer).describe(optimizer)],
    ['Learning rate', scheduleOf(schedule.kind).describe(schedule)],
    ...(plateau === undefined ? [] : [['Plateau', describePlateau(plateau)] as const]),
    ['Epochs', `${count(epochs)} (${counted(planned, 'step')})`],
    ['Steps', maxSteps === null ? count(totalSteps) : `${count(totalSteps)} (limited by maxSteps)`],
    ...(earlyStopping === undefined
      ? []
      : [['Early stopping', `after ${counted(earlyStopping, 'epoch')} without a better validation`] as const]),
    ['Batch', `${batch} of ${count(shardSize)}`],
    ['Precision', precision === 'float32' ? precision : `${precision}; weights and statistics in float32`],
    ...(wire === undefined ? [] : [['Wire', `gradients and their sums in ${wire}`] as const]),
    [
      'Weight regularisation',
      network.reg === 0 ? 'none' : `L2, ${formatNumber(network.reg)} × sum of squares of the kernels`,
    ],
    ['Dropout', network.dropoutRate === 0 ? 'none' : `${formatPercent(network.dropoutRate)} of the activations`],
    ['Label smoothing', labelSmoothing === 0 ? 'none' : formatNumber(labelSmoothing)],
    ['Gradient clipping', clipNorm === null ? 'none' : `to an L2 norm of ${formatNumber(clipNorm)}`],
    ['Augmentation', describeAugmentation(config.augmentation)],
    ['Seed', `${config.seed}`],
  ]
}

function describePlateau({ factor, patience, minRate }: PlateauConfig): string {
  const least = minRate === 0 ? '' : `, down to ${formatNumber(minRate)}`
  return `learning rate × ${formatNumber(factor)} after ${counted(patience, 'epoch')} without a better validation${least}`
}

const BEYOND_THE_EDGE = {
  reflect: 'the image mirrored at its edge',
  nearest: 'the nearest pixel of its edge',
  wrap: 'its opposite side',
  constant: 'black',
}

function describeAugmentation({
  enabled,
  horizontalFlip,
  rotationDegrees,
  zoom,
  fillMode,
}: AugmentationConfig): string {
  const parts = [
    ...(horizontalFlip ? ['half of the images mirrored'] : []),
    ...(rotationDegrees > 0 ? [`rotation by up to ±${formatNumber(rotationDegrees)}°`] : []),
    ...(zoom > 0 ? [`zoom by up to ±${formatPercent(zoom)}`] : []),
  ]
  if (!enabled || parts.length === 0) return 'none'
  const isMoved = rotationDegrees > 0 || zoom > 0
  return `${parts.join(', ')}${isMoved ? `; beyond the image: ${BEYOND_THE_EDGE[fillMode]}` : ''}`
}

function count(value: number): string {
  return value.toLocaleString('en')
}
