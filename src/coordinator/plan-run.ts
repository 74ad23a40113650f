import type { Split } from '../data/dataset.js'
import { openFoundDataset } from '../data/open-dataset.js'
import { splitDataset } from '../data/sampling/split.js'
import { describeModel } from '../model/describe-model.js'
import { leastWorkerBytes } from '../model/memory-need.js'
import { buildNetwork } from '../model/networks/networks.js'
import type { RunConfig } from '../model/config/run-config.js'
import type { RunDescription } from '../model/run-description.js'
import { runWarnings } from '../model/config/run-warnings.js'

/** A run whose data set is open and fits its model. Nothing is on disk yet, and nothing listens. */
export interface PlannedRun {
  readonly description: RunDescription
  readonly split: Split
  /** Where the data set came from, for messages; workers do not learn it. */
  readonly datasetFrom: string
  /** See {@link runWarnings}. */
  readonly warnings: readonly string[]
  /** See {@link leastWorkerBytes}. */
  readonly workerBytes: number
}

/**
 * Opens the data set and describes the model.
 * @param data a data set's name, fingerprint or path; undefined: the embedded CIFAR-10
 * @param report logs a line
 * @throws errors of the data set
 */
export async function planRun(
  config: RunConfig,
  data: string | undefined,
  report: (line: string) => void,
): Promise<PlannedRun> {
  const { dataset, from } = await openFoundDataset(data, (lines) => {
    lines.split('\n').forEach(report)
  })
  const { pixels, labels: _labels, ...header } = dataset
  const split = splitDataset(dataset, config.seed, config.stratified)
  const network = await buildNetwork(
    config.network,
    [dataset.height, dataset.width, dataset.channels],
    dataset.classNames.length,
  )
  const model = describeModel(network)
  const workerBytes = leastWorkerBytes(network, pixels.length, config.shardSize)
  network.dispose()
  return {
    description: { config, model, dataset: header },
    split,
    datasetFrom: from,
    warnings: runWarnings(dataset, split, config),
    workerBytes,
  }
}
