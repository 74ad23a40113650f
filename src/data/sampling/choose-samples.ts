import { ConvoyError } from '../../shared/errors.js'
import type { RunConfig } from '../../model/config/run-config.js'
import type { Dataset } from '../dataset.js'
import { SPLIT_NAMES } from '../dataset.js'
import { MIN_SPLIT_SAMPLES, splitDataset } from './split.js'

/** Samples to measure a trained model on: all, or a split. */
export const SPLIT_CHOICES = ['all', ...SPLIT_NAMES] as const
export type SplitChoice = (typeof SPLIT_CHOICES)[number]

type SplitConfig = Pick<RunConfig, 'seed' | 'stratified' | 'validationSamples'>

/**
 * @param config of the run: it decides which samples a split holds
 * @returns sample indices in ascending order, at least one
 * @throws ConvoyError('usage') when the data set is too small to split
 */
export function chooseSamples(
  dataset: Pick<Dataset, 'name' | 'count' | 'labels'>,
  choice: SplitChoice,
  { seed, stratified, validationSamples }: SplitConfig,
): Uint32Array {
  const { name, count } = dataset
  if (choice === 'all') return Uint32Array.from({ length: count }, (_, sample) => sample)
  if (count < MIN_SPLIT_SAMPLES) {
    throw new ConvoyError(
      'usage',
      `--split ${choice}: ${name} has ${count} images, too few to split; use all of them with --split all.`,
    )
  }
  const samples = splitDataset(dataset, seed, stratified, validationSamples)[choice]
  if (samples.length > 0) return samples
  throw new ConvoyError(
    'usage',
    `--split ${choice}: the run kept no samples for it; use \`convoy eval --split train\`.`,
  )
}
