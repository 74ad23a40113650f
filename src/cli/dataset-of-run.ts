import type { Dataset } from '../data/dataset.js'
import { openDataset, openDatasetByFingerprint } from '../data/open-dataset.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import { printable } from '../shared/log/printable.js'

/** Standard output belongs to the result. */
const report = (line: string): void => {
  process.stderr.write(`${printable(line)}\n`)
}

/**
 * The data set that a model was trained on, or another of the same shape.
 * @param data what `--data` says
 * @throws ConvoyError('data') when it is not in the cache, ConvoyError('usage') when another one does not fit the model
 */
export async function datasetOfRun({ dataset: trainedOn }: RunDescription, data?: string): Promise<Dataset> {
  const dataset =
    data === undefined ? await openDatasetByFingerprint(trainedOn.fingerprint) : await openDataset(data, report)
  if (dataset === undefined) {
    throw new ConvoyError(
      'data',
      `The data set ${trainedOn.name} of this run is not in the cache; bring it back with \`convoy data import <path>\`.`,
    )
  }
  const shapeOf = ({ height, width, channels, classNames }: typeof trainedOn): string =>
    `${height}x${width}x${channels} with ${classNames.length} classes`
  if (shapeOf(dataset) !== shapeOf(trainedOn)) {
    throw new ConvoyError(
      'usage',
      `--data ${data}: it holds ${shapeOf(dataset)}, and the model takes ${shapeOf(trainedOn)}.`,
    )
  }
  return dataset
}
