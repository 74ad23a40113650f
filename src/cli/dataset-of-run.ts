import { chooseSamples } from '../data/sampling/choose-samples.js'
import type { SplitChoice } from '../data/sampling/choose-samples.js'
import type { Dataset, DatasetInfo, ImagesInfo } from '../data/dataset.js'
import { isImages } from '../data/dataset.js'
import { describeSamples } from '../data/describe-dataset.js'
import type { ImageOverlap } from '../data/image-overlap.js'
import { findOverlap } from '../data/image-overlap.js'
import { mapClasses } from '../data/map-classes.js'
import { openDatasetByFingerprint, openFoundDataset } from '../data/open-dataset.js'
import { splitDataset } from '../data/sampling/split.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import { standardError } from '../shared/terminal.js'

/** Samples that a trained model is measured on. */
export interface MeasuredSamples {
  /** With the model's classes: labels index its outputs. */
  readonly dataset: Dataset
  /** Source of a data set other than the run's, for people. */
  readonly from?: string | undefined
  /** Whether the run trained on this data set. The content decides, not the name. */
  readonly isTrainedOn: boolean
  readonly split: SplitChoice
  /** Sample indices, ascending. */
  readonly samples: Uint32Array
}

/**
 * Samples of the data set that a model was trained on, or of another one of the same shape and classes.
 * @param data value of `--data`
 * @param split value of `--split`. @default the test split of the run's data set; all samples of another data set
 * @throws ConvoyError('data') when the data set is not in the cache, ConvoyError('usage') when it does not fit the model
 */
export async function samplesForModel(
  { dataset: trainedOn, config }: RunDescription,
  { data, split }: { readonly data?: string | undefined; readonly split?: SplitChoice | undefined },
): Promise<MeasuredSamples> {
  const { dataset, from } =
    data === undefined
      ? { dataset: await openDatasetByFingerprint(trainedOn.fingerprint) }
      : await openFoundDataset(data, report)
  if (dataset === undefined) {
    throw new ConvoyError(
      'data',
      `The data set ${trainedOn.name} of this run is not in the cache; import it again with \`convoy data import <path>\`.`,
    )
  }
  const isTrainedOn = dataset.fingerprint === trainedOn.fingerprint
  checkSamples(dataset, trainedOn, `--data ${data}`)
  const choice = split ?? (isTrainedOn ? 'test' : 'all')
  return {
    dataset: isTrainedOn ? dataset : mapClasses(dataset, trainedOn.classNames, `--data ${data}`),
    from,
    isTrainedOn,
    split: choice,
    // Of the data set before its classes are mapped: a stratified split depends on the order of its labels.
    samples: chooseSamples(dataset, choice, config),
  }
}

/**
 * How many of the samples the run has trained on or validated with, by content.
 * @returns undefined when the run's data set is not in the cache
 */
export async function overlapWithRun(
  { dataset: trainedOn, config }: RunDescription,
  { dataset, samples, isTrainedOn }: MeasuredSamples,
): Promise<ImageOverlap | undefined> {
  const own = isTrainedOn ? dataset : await openDatasetByFingerprint(trainedOn.fingerprint)
  if (own === undefined) return undefined
  const split = splitDataset(own, config.seed, config.stratified, config.validationSamples)
  return findOverlap(dataset, samples, { dataset: own, split })
}

function checkSamples(dataset: DatasetInfo, model: DatasetInfo, source: string): void {
  if (isImages(dataset) && isImages(model)) checkImages(dataset, model, source)
  else if (columnsOf(dataset) !== columnsOf(model))
    throw new ConvoyError(
      'usage',
      `${source}: it has ${describeSamples(dataset)}, and the model was trained on ${describeSamples(model)}. Give a data set with the same columns.`,
    )
}

/** What two data sets of arrays must have in common. Names count: a table may have its columns in another order. */
function columnsOf(info: DatasetInfo): string {
  return isImages(info) ? 'images' : JSON.stringify([info.inputs, info.targets])
}

function checkImages(dataset: ImagesInfo, model: ImagesInfo, source: string): void {
  if (shapeOf(dataset) === shapeOf(model)) return
  throw new ConvoyError(
    'usage',
    `${source}: its images are ${shapeOf(dataset)}, and the model takes ${shapeOf(model)}. ` +
      (dataset.channels === model.channels
        ? `Import them in that size: convoy data import <path> --size ${model.height}x${model.width}`
        : 'Train a model on this data set.'),
  )
}

function shapeOf({ height, width, channels }: ImagesInfo): string {
  return `${height} high and ${width} wide, ${channels === 1 ? 'grey' : 'RGB'}`
}

/** Progress goes to standard error: standard output is for the result. */
function report(lines: string): void {
  standardError.print(`${lines}\n`)
}
