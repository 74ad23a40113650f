import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import type { JournalMode } from '../../../src/durability/journal.js'
import type { MetricsLine } from '../../../src/reporting/sinks/metrics-line.js'
import { SeededDraws } from '../../../src/simulation/seeded-draws.js'
import { DurableTraining, STEPS } from '../../support/durable-training.js'

// Row 55 of the fault table: runs that are broken off and resumed at random places, each time with another number of workers.

const RESUMPTIONS = 20
const MAX_WORKERS = 4
/** Breaks in a validation, among those between two steps. */
const IN_VALIDATION = 0.5

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-resume-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

const undisturbed = new DurableTraining(scratch)
const { outcome: expected } = await undisturbed.train()

/** What a metrics.jsonl says of steps and evaluations, without times and workers. */
function computed(lines: readonly MetricsLine[]): unknown[] {
  return lines.flatMap((line) => {
    if (line.kind === 'step') return [[line.step, line.loss, line.accuracy, line.gradientNorm, line.learningRate]]
    if (line.kind === 'evaluated') return [[line.result.split, line.result.step, line.result.accuracy, line.best]]
    return []
  })
}

function stepsIn(training: DurableTraining): number {
  return training.metrics().filter(({ kind }) => kind === 'step').length
}

for (const journal of ['on', 'off'] as const satisfies JournalMode[])
  describe(`a run with the journal ${journal}, resumed ${RESUMPTIONS} times at random places by other numbers of workers`, () => {
    it('fault 55: ends with the weights and the metrics of an undisturbed one, and with the journal computes no step twice', async () => {
      const draws = new SeededDraws(55)
      const training = new DurableTraining(scratch, { journal })
      let inValidation = 0
      for (let run = training, resumptions = 0; resumptions < RESUMPTIONS; resumptions++) {
        const done = stepsIn(run)
        const workers = 1 + draws.below(MAX_WORKERS)
        const goal = done + 1 + draws.below(4)
        const where = draws.chance(IN_VALIDATION) ? { breakInEvaluation: goal } : { breakAfter: goal }
        const { outcome } = await run.train({ ...where, workers })
        const left = run.restore()!.state
        assert.ok(left.step >= (journal === 'on' ? stepsIn(run) : 0))
        if ('breakInEvaluation' in where) inValidation++
        if (outcome === undefined && left.step < STEPS - 4) continue
        await check(run)
        run = new DurableTraining(scratch, { journal })
      }
      assert.ok(inValidation >= 4, `${inValidation} breaks in a validation`)
    })
  })

async function check(training: DurableTraining): Promise<void> {
  const { outcome } = await training.train()
  assert.equal(outcome!.result.weightsSha256, expected!.result.weightsSha256)
  assert.deepEqual(outcome!.result.weights, expected!.result.weights)
  assert.deepEqual(computed(training.metrics()), computed(undisturbed.metrics()))
}
