import type { RunHeader } from '../page-state.js'
import type { Fact } from './facts.js'
import { count, counted, plain } from './format.js'

type Config = RunHeader['config']

/** The settings that decide the weights, besides the data set, in words. */
export function hyperparameters({ config, parameterCount, totalSteps, splitSizes }: RunHeader): Fact[] {
  const { network, batchSize, shardSize, epochs, maxSteps, precision, labelSmoothing, clipNorm, augmentation } = config
  const planned = Math.ceil((epochs * (splitSizes['train'] ?? 0)) / batchSize)
  return [
    ['Network', network.name],
    ['Parameters', count(parameterCount)],
    ['Optimizer', optimizer(config.optimizer)],
    ['Learning rate', schedule(config.schedule)],
    ['Epochs', `${count(epochs)} (${counted(planned, 'step')})`],
    ['Steps', maxSteps === null ? count(totalSteps) : `${count(totalSteps)} (limited by maxSteps)`],
    ['Batch', `${counted(batchSize, 'image')} in ${counted(batchSize / shardSize, 'shard')} of ${count(shardSize)}`],
    ['Precision', precision === 'float32' ? precision : `${precision}; weights, statistics and sums in float32`],
    ['Weight regularisation', network.reg === 0 ? 'none' : `L2, ${plain(network.reg)} × sum of squares of the kernels`],
    ['Dropout', network.dropoutRate === 0 ? 'none' : `${percent(network.dropoutRate)} of the activations`],
    ['Label smoothing', labelSmoothing === 0 ? 'none' : plain(labelSmoothing)],
    ['Gradient clipping', clipNorm === null ? 'none' : `to an L2 norm of ${plain(clipNorm)}`],
    ['Augmentation', augmentationWords(augmentation)],
    ['Seed', `${config.seed}`],
  ]
}

function optimizer(config: Config['optimizer']): string {
  if (config.kind === 'sgd') {
    if (config.momentum === 0) return 'SGD without momentum'
    return `SGD, ${config.nesterov ? 'Nesterov ' : ''}momentum ${plain(config.momentum)}`
  }
  const { beta1, beta2, epsilon, weightDecay } = config
  return `AdamW, β₁ ${plain(beta1)}, β₂ ${plain(beta2)}, ε ${plain(epsilon)}, weight decay ${plain(weightDecay)}`
}

function schedule(config: Config['schedule']): string {
  switch (config.kind) {
    case 'one-cycle': {
      const { peak, warmup, initial, final } = config
      return `one cycle: from ${plain(initial * peak)} up to ${plain(peak)} in the first ${percent(warmup)} of the steps, then down to ${plain(final * peak)}`
    }
    case 'cosine': {
      const { peak, warmup, final } = config
      const rise =
        warmup === 0 ? `from ${plain(peak)}` : `up to ${plain(peak)} in the first ${percent(warmup)} of the steps, then`
      return `cosine: ${rise} down to ${plain(final * peak)}`
    }
    case 'step': {
      const { initial, milestones, factor } = config
      if (milestones.length === 0) return `constant: ${plain(initial)}`
      return `steps: ${plain(initial)}, multiplied by ${plain(factor)} after ${listed(milestones.map(percent))} of the steps`
    }
  }
}

const FILLED = {
  reflect: 'the image mirrored at its edge',
  nearest: 'the nearest pixel of its edge',
  wrap: 'its opposite side',
  constant: 'black',
}

function augmentationWords({
  enabled,
  horizontalFlip,
  rotationDegrees,
  zoom,
  fillMode,
}: Config['augmentation']): string {
  const parts = [
    ...(horizontalFlip ? ['half of the images mirrored'] : []),
    ...(rotationDegrees > 0 ? [`rotation by up to ±${plain(rotationDegrees)}°`] : []),
    ...(zoom > 0 ? [`zoom by up to ±${percent(zoom)}`] : []),
  ]
  if (!enabled || parts.length === 0) return 'none'
  const isMoved = rotationDegrees > 0 || zoom > 0
  return `${parts.join(', ')}${isMoved ? `; beyond the image: ${FILLED[fillMode]}` : ''}`
}

function percent(share: number): string {
  return `${plain(100 * share)} %`
}

/** `a`, `a and b`, `a, b and c` */
function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}
