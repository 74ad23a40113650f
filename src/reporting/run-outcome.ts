import type { z } from 'zod'
import type { EvaluationPoint, KeptWeights, RunOutcome, WeightsByName } from './page/page-state.js'
import type { resultSchema } from './kept-status.js'

/** The part of a result that the page shows, in memory or from `result.json`. */
export type KeptResult = Readonly<z.output<typeof resultSchema>>

export function outcomeOf(result: KeptResult): RunOutcome {
  const { steps, seconds, samplesPerSecond, workers, test } = result
  return {
    ...(steps !== undefined && { steps }),
    ...{ seconds, samplesPerSecond },
    ...(workers !== undefined && { workers }),
    ...(test?.accuracy !== undefined && { testAccuracy: test.accuracy }),
    ...(test && { testLoss: test.loss }),
    ...(test?.samples !== undefined && { testSamples: test.samples }),
    // Every version tested the best weights.
    testWeights: test?.weights ?? 'best',
  }
}

/** The weights of a result. Older versions wrote only the hash of the last ones. */
export function weightsOf(result: KeptResult, evaluations: readonly EvaluationPoint[]): WeightsByName {
  const { weights, weightsSha256, validation, bestStep, steps } = result
  if (weights !== undefined) return { best: keptOf(weights.best), last: keptOf(weights.last) }
  const newest = evaluations.findLast(({ split, step }) => split === 'validation' && step === steps)
  return {
    ...(bestStep !== undefined && {
      best: {
        step: bestStep,
        ...(bestStep === steps && { sha256: weightsSha256 }),
        ...(validation && { validation: measuredOf(validation) }),
      },
    }),
    ...(steps !== undefined && {
      last: {
        ...{ step: steps, sha256: weightsSha256 },
        ...(newest && { validation: measuredOf(newest) }),
      },
    }),
  }
}

/** Removes parts that are only in memory, such as a confusion matrix. */
function keptOf({ step, sha256, validation }: NonNullable<KeptResult['weights']>['best']): KeptWeights {
  return { step, sha256, ...(validation && { validation: measuredOf(validation) }) }
}

function measuredOf({ accuracy, loss }: { accuracy?: number; loss: number }): KeptWeights['validation'] & object {
  return { ...(accuracy !== undefined && { accuracy }), loss }
}
