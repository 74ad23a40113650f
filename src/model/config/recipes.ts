import type { RunConfigInput } from './run-config.js'

export interface Recipe {
  /** Its purpose, in a line. */
  readonly description: string
  readonly config: RunConfigInput
}

/** Augmentation of the mission: horizontal flip, rotation by up to 20 degrees, zoom by up to 10 %. */
const AUGMENTATION = { horizontalFlip: true, rotationDegrees: 20, zoom: 0.1 }

/**
 * Settings that go together, for CIFAR-10. Plain data: `--config` files have the same form.
 * The README has their measured accuracies.
 */
export const RECIPES: Readonly<Record<string, Recipe>> = {
  quick: {
    description: 'a small residual network, a few minutes on two cores; used by `npm start`',
    config: {
      network: { name: 'resnet8', reg: 0.0001 },
      epochs: 9,
      optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true },
      schedule: { kind: 'one-cycle', peak: 0.8, warmup: 0.2 },
      augmentation: AUGMENTATION,
    },
  },
  resnet20: {
    description: 'ResNet-20 of He et al. 2015, one-cycle instead of their step schedule',
    config: {
      network: { name: 'resnet20', reg: 0.0001 },
      epochs: 60,
      optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true },
      schedule: { kind: 'one-cycle', peak: 0.4 },
      augmentation: AUGMENTATION,
    },
  },
  resnet56: {
    description: 'ResNet-56 with the optimizer and step schedule of He et al. 2015',
    config: {
      network: { name: 'resnet56', reg: 0.00005 },
      epochs: 182,
      optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
      schedule: { kind: 'step', initial: 0.1, milestones: [0.5, 0.75] },
      augmentation: AUGMENTATION,
    },
  },
  resnet18: {
    description: 'ResNet-18 for small images, cosine schedule; made for GPUs',
    config: {
      network: { name: 'resnet18', reg: 0.00025 },
      batchSize: 512,
      shardSize: 128,
      epochs: 100,
      optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true },
      schedule: { kind: 'cosine', peak: 0.4, warmup: 0.05 },
      augmentation: AUGMENTATION,
    },
  },
  wide8: {
    description: 'three wide residual blocks with L2 and dropout, AdamW',
    config: {
      network: { name: 'wide8', reg: 0.0001, dropoutRate: 0.2 },
      epochs: 30,
      optimizer: { kind: 'adamw', weightDecay: 0.01 },
      schedule: { kind: 'cosine', peak: 0.002, warmup: 0.05 },
      labelSmoothing: 0.1,
      augmentation: AUGMENTATION,
    },
  },
}

export const DEFAULT_RECIPE = 'quick'
