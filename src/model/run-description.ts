import type { DatasetInfo } from '../data/dataset.js'
import type { ModelDescription } from './parameter-layout.js'
import type { RunConfig } from './config/run-config.js'

/** The description of a run for its workers, as JSON in JoinReply.run. A worker needs no other configuration. */
export interface RunDescription {
  readonly config: RunConfig
  readonly model: ModelDescription
  readonly dataset: DatasetInfo
}
