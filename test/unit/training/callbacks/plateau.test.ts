import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { describeEvent } from '../../../../src/reporting/sinks/describe-event.js'
import type { RunEvent } from '../../../../src/training/run-events.js'
import type { PlateauState } from '../../../../src/training/callbacks/plateau.js'
import { afterValidation, plateauSchema, reducedRate } from '../../../../src/training/callbacks/plateau.js'
import { learningRate } from '../../../../src/training/schedules/schedules.js'
import { TinyProblem } from '../../../../src/simulation/tiny-problem.js'
import { DurableTraining, STEPS } from '../../../support/durable-training.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-plateau-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

/** Steps after which epochs end, with 60 samples in batches of 8; six epochs are 45 steps. */
const EPOCH_ENDS = [8, 15, 23, 30, 38]
/** Its validations get no better often enough for two reductions. */
const settings = { plateau: { factor: 0.3, patience: 1, minRate: 0.001 } }

/** The number of reductions after each of these validations. @param best steps of the best so far, at each */
function reductionsAt(steps: readonly number[], best: readonly number[], patience: number): number[] {
  let state: PlateauState = { reductions: 0, step: 0 }
  return steps.map((last, index) => {
    // 7 samples in batches of 3.
    state = afterValidation(plateauSchema.parse({ patience }), state, { last, best: best[index]! }, (n) => (3 * n) / 7)
    return state.reductions
  })
}

describe('a plateau', () => {
  it('reduces after so many epochs without a better validation, and again after as many more', () => {
    const steps = [3, 5, 7, 10, 12, 14, 17, 19]
    assert.deepEqual(reductionsAt(steps, [3, 5, 5, 5, 5, 5, 5, 5], 2), [0, 0, 0, 1, 1, 2, 2, 3])
    // A better validation begins the count anew.
    assert.deepEqual(reductionsAt(steps, [3, 5, 5, 5, 12, 12, 12, 12], 2), [0, 0, 0, 1, 1, 1, 2, 2])
    assert.deepEqual(reductionsAt(steps, [3, 3, 3, 3, 3, 3, 3, 3], 1), [0, 1, 2, 3, 4, 5, 6, 7])
    assert.deepEqual(reductionsAt(steps, [3, 5, 5, 5, 5, 5, 5, 5], 9), [0, 0, 0, 0, 0, 0, 0, 0])
  })

  it('multiplies the rate once for each reduction, never below its least rate, and never raises it', () => {
    const plateau = plateauSchema.parse({ factor: 0.1, minRate: 0.002 })
    assert.deepEqual(
      [0, 1, 2, 3, 1_000_000].map((reductions) => reducedRate(plateau, reductions, 0.3)),
      [0.3, 0.3 * 0.1, 0.3 * 0.1 * 0.1, 0.002, 0.002],
    )
    assert.equal(reducedRate(plateau, 3, 0.001), 0.001)
    assert.equal(reducedRate(plateauSchema.parse({}), 100_000, 1), 0)
  })
})

interface Rates {
  readonly weightsSha256: string
  readonly rates: readonly number[]
}

/** Learning rates of the steps in metrics.jsonl, in their order. */
function ratesOf(training: DurableTraining): number[] {
  return training.metrics().flatMap((line) => (line.kind === 'step' ? [line.learningRate] : []))
}

async function undisturbed(): Promise<Rates & { readonly events: readonly RunEvent[] }> {
  const training = new DurableTraining(scratch, { settings })
  const { outcome, events } = await training.train()
  return { weightsSha256: outcome!.result.weightsSha256, rates: ratesOf(training), events }
}

describe('a run with a plateau', async () => {
  const expected = await undisturbed()

  it('reports the reduced rates, from the step after the validation on', () => {
    const { config } = new TinyProblem(4, STEPS).description
    let reductions = 0
    let best = 0
    const wanted = Array.from({ length: STEPS }, (_, step) => {
      const validation = expected.events.find((event) => event.kind === 'evaluated' && event.result.step === step)
      if (validation?.kind === 'evaluated' && EPOCH_ENDS.includes(step)) {
        if (validation.best) best = step
        else reductions++
        assert.equal(validation.reducesRate, validation.best ? undefined : true)
        assert.equal(/the learning rate is reduced/.test(describeEvent(validation)!), !validation.best)
      }
      return reducedRate(settings.plateau, reductions, learningRate(config.schedule, step, 45))
    })
    assert.ok(best > 0 && reductions >= 2, `${reductions} reductions, best ${best}`)
    assert.deepEqual(expected.rates, wanted)
  })

  for (const journal of ['on', 'off'] as const)
    it(`has the same rates and weights when it is broken off around a reduction, with the journal ${journal}`, async () => {
      for (const step of [22, 23, 24, 37, 38, 39]) {
        const training = new DurableTraining(scratch, { settings, journal })
        await training.train(step)
        const { outcome } = await training.train()
        assert.equal(outcome!.result.weightsSha256, expected.weightsSha256, `broken off after step ${step}`)
        assert.deepEqual(ratesOf(training), expected.rates, `broken off after step ${step}`)
      }
    })

  it('and without one differ', async () => {
    const { outcome } = await new DurableTraining(scratch).train()
    assert.notEqual(outcome!.result.weightsSha256, expected.weightsSha256)
  })
})
