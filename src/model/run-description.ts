import type { DatasetInfo } from '../data/dataset.js'
import type { ModelDescription } from './parameter-layout.js'
import type { RunConfig } from './config/run-config.js'

/** Everything that a worker learns at join, as JSON in JoinReply.run. A worker machine needs nothing else. */
export interface RunDescription {
  readonly config: RunConfig
  readonly model: ModelDescription
  readonly dataset: DatasetInfo
}
