import type { ModelDescription } from '../parameter-layout.js'
import { objectivesOf } from '../parameter-layout.js'
import { binaryMeasures, binarySumsLength } from './binary-measures.js'
import { classMeasures, classSumsLength, confusionOf, hasTop } from './class-measures.js'
import { numberMeasures, numberSumsLength } from './number-measures.js'
import type { Objective, ObjectiveKind } from './objective.js'
import { namedMeasures } from './objective.js'

/** The quality of weights on a set of samples. */
export interface Evaluation {
  readonly samples: number
  /** Mean loss per sample, without label smoothing and L2; of classes, the cross-entropy with the natural logarithm. */
  readonly loss: number
  /** Share of samples whose most probable class is the label, 0 to 1. Absent without classes, and with several outputs. */
  readonly accuracy?: number
  /** `confusion[label][prediction]`: sample counts. Empty without classes, and with several outputs. */
  readonly confusion: readonly (readonly number[])[]
  /** Other measures, by name. With several outputs, all of each, with the name of the output before it. */
  readonly metrics?: Readonly<Record<string, number>>
}

type Measured = Pick<Evaluation, 'accuracy' | 'confusion'> & { readonly metrics: Readonly<Record<string, number>> }

/** Floats of an objective's sums over samples, and what they mean. */
const SUMS: Readonly<
  Record<
    ObjectiveKind,
    {
      readonly length: (objective: Objective) => number
      readonly measure: (sums: Float32Array | Float64Array, objective: Objective, samples: number) => Measured
    }
  >
> = {
  classes: {
    length: classSumsLength,
    measure: (sums, objective, samples) => {
      const confusion = confusionOf(sums, objective)
      const { accuracy, ...others } = classMeasures(confusion, samples)
      const top = hasTop(objective) ? { top5: sums[classSumsLength(objective) - 1]! / samples } : {}
      return { accuracy, confusion, metrics: { ...others, ...top } }
    },
  },
  binary: {
    length: binarySumsLength,
    measure: (sums, objective) => ({ ...binaryMeasures(sums, objective), confusion: [] }),
  },
  numbers: {
    length: numberSumsLength,
    measure: (sums, objective, samples) => ({ confusion: [], metrics: numberMeasures(sums, objective, samples) }),
  },
}

/** Floats of an objective in an evaluation vector. */
function objectiveLength(objective: Objective, areSeveral: boolean): number {
  return SUMS[objective.kind].length(objective) + (objective.metrics?.length ?? 0) + (areSeveral ? 1 : 0)
}

/** Floats in the result of an evaluation: `[ sums of the output 0 | its custom metrics | its loss where there are several | … | loss ]`. */
export function evaluationLength(model: Pick<ModelDescription, 'classCount' | 'objectives'>): number {
  const objectives = objectivesOf(model)
  return objectives.reduce((sum, objective) => sum + objectiveLength(objective, objectives.length > 1), 1)
}

/**
 * @param sums in the order of an evaluation vector; the loss at its end is not read
 * @param lossSum over all samples
 */
export function decodeEvaluation(
  sums: Float32Array | Float64Array,
  lossSum: number,
  model: Pick<ModelDescription, 'classCount' | 'objectives'>,
  samples: number,
): Evaluation {
  const loss = lossSum / samples
  const objectives = objectivesOf(model)
  let offset = 0
  const measured = new Map(
    objectives.map((objective) => {
      const { length, measure } = SUMS[objective.kind]
      const own = measure(sums.subarray(offset), objective, samples)
      const { metrics: names = [] } = objective
      const means = [...names, 'loss'].map((_, index) => sums[offset + length(objective) + index]! / samples)
      const custom = Object.fromEntries(names.map((name, index) => [name, means[index]!]))
      offset += objectiveLength(objective, objectives.length > 1)
      return [objective, { ...own, metrics: { ...own.metrics, ...custom }, loss: means.at(-1)! }]
    }),
  )
  if (objectives.length === 1) {
    const { accuracy, confusion, metrics } = measured.get(objectives[0]!)!
    return { samples, loss, ...(accuracy !== undefined && { accuracy }), confusion, metrics }
  }
  const metrics = namedMeasures(objectives, (objective) => {
    const own = measured.get(objective)!
    const accuracy = own.accuracy === undefined ? {} : { accuracy: own.accuracy }
    return Object.entries({ loss: own.loss, ...accuracy, ...own.metrics })
  })
  return { samples, loss, confusion: [], metrics: Object.fromEntries(metrics) }
}
