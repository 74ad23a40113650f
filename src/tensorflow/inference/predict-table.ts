import { readInfo } from '../../data/cache/packed-cache.js'
import type { DatasetInfo, TableFeature } from '../../data/dataset.js'
import { readTable } from '../../data/formats/read-table.js'
import { encodeFeatures } from '../../data/formats/table-features.js'
import type { RunDescription } from '../../model/run-description.js'
import { ConvoyError } from '../../shared/errors.js'
import type { Engine } from '../engine/engine.js'
import type { OutputPrediction } from './predict-samples.js'
import { predictionOf, predictSamples } from './predict-samples.js'

/** What a model says of one row of a table. */
export interface RowPrediction {
  /** 1 is the first below the names. */
  readonly row: number
  /** By the name of the target; `class` where that is the class alone. */
  readonly outputs: Readonly<Record<string, OutputPrediction>>
}

export function isTable(file: string): boolean {
  return /\.(csv|tsv)$/i.test(file)
}

/**
 * What a model that learnt from a table says of the rows of another one. Columns are found by their names; others than the inputs, such as the target, are
 * not read.
 * @param top number of classes to return for each row
 * @throws ConvoyError('usage') for a model that learnt from no table, ConvoyError('data') naming row and column of what it cannot use
 */
export function predictTable(
  engine: Engine,
  description: RunDescription,
  file: string,
  top: number,
): readonly RowPrediction[] {
  const features = featuresOf(description.dataset, file)
  const names = new Set(features.map(({ name }) => name))
  const columns = readTable(file, (name) => names.has(name))
  const outputs = predictSamples(engine, description, [encodeFeatures(file, columns, features)])
  return columns[0]!.cells.map((_, sample) => ({
    row: sample + 1,
    outputs: Object.fromEntries(outputs.map((output) => [output.name, predictionOf(output, sample, top)])),
  }))
}

/** Those of the training, or those that the cache got since. */
function featuresOf(trainedOn: DatasetInfo, file: string): readonly TableFeature[] {
  const cached = readInfo(trainedOn.fingerprint)
  const found = [trainedOn, cached].find((info) => info !== undefined && 'features' in info)
  if (found !== undefined && 'features' in found && found.features !== undefined) return found.features
  throw new ConvoyError(
    'usage',
    `${file}: it is not known which columns ${trainedOn.name} was made of: it was no table, or was imported by an earlier version. If it was a table, import it again with \`convoy data import <table>\`.`,
  )
}
