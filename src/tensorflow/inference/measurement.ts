import type { ImageOverlap } from '../../data/image-overlap.js'
import type { SplitChoice } from '../../data/sampling/choose-samples.js'
import type { WeightsName } from '../../exports/trained-model.js'
import type { Evaluation } from '../../model/objectives/evaluation.js'

/** The weights that were measured or predicted with, for `--json`. */
export interface UsedWeights {
  /** `best` or `last` of a run; null for a saved model that was named by its own directory. */
  readonly weights: WeightsName | null
  /** Steps that made them. */
  readonly step: number
  readonly weightsSha256: string
}

/** What `convoy eval` measured, and on what. */
export interface Measurement extends Evaluation {
  readonly split: SplitChoice
  readonly classNames: readonly string[]
  readonly dataset: {
    readonly name: string
    readonly fingerprint: string
    /** Source of a data set other than the run's. */
    readonly from?: string | undefined
    /** Whether the run trained on this data set. The content decides, not the name. */
    readonly isTrainedOn: boolean
  }
  readonly classesWithoutSamples: readonly string[]
  /** null: the run's data set is not in the cache. */
  readonly overlap: ImageOverlap | null
}
