import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { DEFAULT_LIMITS } from '../../../src/scheduler/limits.js'
import { learningRate } from '../../../src/training/schedules/schedules.js'
import { PoolGradientSource } from '../../../src/coordinator/pool-gradient-source.js'
import { describeEvent } from '../../../src/reporting/sinks/describe-event.js'
import { finalTable } from '../../../src/reporting/final-table.js'
import type { RunEvent } from '../../../src/training/run-events.js'
import type { TrainingOutcome } from '../../../src/training/trainer.js'
import { plannedSteps, Trainer } from '../../../src/training/trainer.js'
import { WeightsStore } from '../../../src/coordinator/weights-store.js'
import { WorkerPool } from '../../../src/coordinator/worker-pool.js'
import { gradientLength } from '../../../src/model/parameter-layout.js'
import { evaluationLength } from '../../../src/model/objectives/evaluation.js'
import type { TrainingState } from '../../../src/training/training-state.js'
import type { RunConfig, RunConfigInput } from '../../../src/model/config/run-config.js'
import { runConfigSchema } from '../../../src/model/config/run-config.js'
import { PROTOCOL_VERSION } from '../../../src/shared/protocol/messages.js'
import { TinyProblem } from '../../../src/simulation/tiny-problem.js'

const DEVICE = { kind: 'cpu', name: 'none', tensorflowVersion: '0', fingerprint: 'f' }

/** Samples of validation and of test. */
const SAMPLES = new Uint32Array(20)

interface Run {
  readonly outcome: TrainingOutcome
  readonly events: readonly RunEvent[]
  /** The split and the published weights of each evaluation. */
  readonly evaluated: readonly { readonly split: string; readonly sha256: string }[]
  readonly config: RunConfig
}

/** Durations of the first lease, which includes the start of the workers, and of the others. */
const [FIRST_LEASE_MS, LEASE_MS] = [5_000, 100]

/** Result of a validation: correct ones of 20 samples, and the mean loss. */
interface Measured {
  readonly right: number
  readonly loss: number
}

/**
 * Trains on 7 samples in batches of 3, with two workers whose gradients are all ones, on a fake clock that advances 1 ms per reading.
 * @param measured results of the evaluations in order; the last one repeats
 */
async function run(
  steps: number,
  measured: readonly Measured[],
  settings: Partial<RunConfigInput> = {},
  state?: TrainingState,
): Promise<Run> {
  const { description, split } = new TinyProblem(1, 1)
  const { layout, classCount } = description.model
  const sizes = { batchSize: 3, shardSize: 3, evaluationShardSize: 8, epochs: 30, maxSteps: steps }
  const config = runConfigSchema.parse({ ...description.config, ...sizes, ...settings })
  const events: RunEvent[] = []
  const observer = (event: RunEvent): void => {
    events.push(event)
  }
  let clockMs = 0
  const now = (): number => ++clockMs
  const weightsStore = new WeightsStore()
  const pool = new WorkerPool({
    ...{ observer, limits: DEFAULT_LIMITS, auditEvery: 0, maxWorkers: 2, allowMixedDevices: false },
    ...{ now, wakeAt: () => undefined },
  })
  const evaluated: { split: string; sha256: string }[] = []
  let leases = 0
  for (const name of ['a', 'b']) {
    const { worker } = pool.connections.join({
      protocol: PROTOCOL_VERSION,
      name,
      device: DEVICE,
      incarnation: name,
      host: 'h',
    })
    pool.connections.connect(worker, {
      send: ({ lease }) => {
        if (lease === undefined) return
        const isGradient = lease.work === 'WORK_GRADIENT'
        const vector = new Float32Array(isGradient ? gradientLength(layout) : evaluationLength({ classCount }))
        if (isGradient) vector.fill(1)
        // The last of three shards carries the result.
        else if (lease.firstShard + lease.shardCount === 3) {
          const { right, loss } = measured[Math.min(evaluated.length, measured.length - 1)]!
          evaluated.push({ split: lease.split, sha256: sha256Of(weightsStore.weights) })
          // One image has the second label and is correct.
          vector.set([right - 1, 20 - right, 0, 1])
          vector[classCount * classCount] = 20 * loss
        }
        clockMs += leases++ === 0 ? FIRST_LEASE_MS : LEASE_MS
        setImmediate(() => pool.result(worker, lease.lease, vector))
      },
      drop: () => undefined,
    })
    pool.connections.receive(worker, { ready: {} })
  }
  const { signal } = new AbortController()
  const ofRun = { ...description, config }
  const trainer = new Trainer({
    ...{ description: ofRun, observer, signal, now, state },
    gradients: new PoolGradientSource(pool, weightsStore, ofRun, { ...split, validation: SAMPLES, test: SAMPLES }),
    splitSizes: { train: 7, validation: SAMPLES.length, test: SAMPLES.length },
    stopSignal: signal,
  })
  const outcome = await trainer.train()
  return { outcome, events, evaluated, config }
}

/** Steps of all validations, and of those that were the best so far. */
function validations(events: readonly RunEvent[]): { all: number[]; best: number[] } {
  const evaluated = events.filter((event) => event.kind === 'evaluated')
  const ofSplit = evaluated.filter(({ result }) => result.split === 'validation')
  return {
    all: ofSplit.map(({ result }) => result.step),
    best: ofSplit.filter(({ best }) => best).map(({ result }) => result.step),
  }
}

function sha256Of(weights: Float32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength))
    .digest('hex')
}

describe('a training run', () => {
  it('validates when an epoch ends, with batches that straddle epochs', async () => {
    const { events } = await run(70, [{ right: 20, loss: 0 }])
    const epochEnds = Array.from({ length: 30 }, (_, epoch) => Math.ceil(((epoch + 1) * 7) / 3))
    assert.deepEqual(validations(events).all, epochEnds)
  })

  it('that ends at maxSteps has the learning rates of the whole run', async () => {
    const { events, config } = await run(8, [{ right: 20, loss: 0 }])
    const steps = events.filter((event) => event.kind === 'step')
    assert.deepEqual(
      steps.map(({ learningRate: rate }) => rate),
      Array.from({ length: 8 }, (_, step) => learningRate(config.schedule, step, plannedSteps(30, 7, 3))),
    )
    assert.deepEqual(
      steps.map(({ epoch }) => epoch),
      Array.from({ length: 8 }, (_, step) => (3 * (step + 1)) / 7),
    )
  })

  it('stops early when so many epochs have no better validation than the best one', async () => {
    const measured = [10, 12, 11, 11, 13].map((right) => ({ right, loss: 1 }))
    const early = await run(70, measured, { earlyStopping: 2 })
    assert.deepEqual(validations(early.events).all, [3, 5, 7, 10])
    const { steps, bestStep, stoppedEarly } = early.outcome.result
    assert.deepEqual({ steps, bestStep, stoppedEarly }, { steps: 10, bestStep: 5, stoppedEarly: true })
    const line = describeEvent(early.events.at(-1)!)
    assert.equal(line, 'Stopped early: 2 epochs without a better validation than that of step 5.')
    const resumed = await run(70, measured.slice(3), { earlyStopping: 2 }, early.outcome.state)
    assert.deepEqual([validations(resumed.events).all, resumed.outcome.result.steps], [[], 10])
    const patient = await run(14, measured, { earlyStopping: 3 })
    assert.deepEqual(validations(patient.events).all, [3, 5, 7, 10, 12, 14])
    assert.equal('stoppedEarly' in patient.outcome.result, false)
  })

  it('measures its throughput over all workers, without the first step, and reports times in seconds', async () => {
    const { outcome, events } = await run(8, [{ right: 20, loss: 0 }])
    const steps = events.filter((event) => event.kind === 'step')
    for (const { durationMs, phaseSeconds } of steps) {
      const { wait, reduce, apply, publish } = phaseSeconds
      assert.ok(reduce > 0)
      assert.ok(Math.abs(1000 * (wait + reduce + apply + publish) - durationMs) < 1e-6)
    }
    const { samplesPerSecond, seconds, samplesSeen, workers } = outcome.result
    const steadyMs = steps.slice(1).reduce((sum, { durationMs }) => sum + durationMs, 0)
    assert.ok(steadyMs >= 7 * LEASE_MS && steadyMs < FIRST_LEASE_MS)
    assert.ok(Math.abs(samplesPerSecond - (1000 * 7 * 3) / steadyMs) < 1e-9)
    assert.deepEqual([workers, samplesSeen], [2, 24])
    assert.ok(seconds > (FIRST_LEASE_MS + 12 * LEASE_MS) / 1000 && seconds < 8, `${seconds} s`)
  })

  it('counts the images of an evaluation by label, then by prediction', async () => {
    const { outcome } = await run(1, [{ right: 15, loss: 1 }])
    assert.deepEqual(outcome.result.test!.confusion, [
      [14, 5],
      [0, 1],
    ])
    assert.deepEqual([outcome.result.test!.accuracy, outcome.result.test!.loss], [0.75, 1])
  })

  // Validations follow the steps 3, 5, 7 and 8.
  for (const [name, measured, best] of [
    ['the highest accuracy, whatever its loss', [10, 1, 12, 9, 11, 0.5, 10, 1], [3, 5]],
    ['the lowest loss of equal accuracies', [10, 3, 10, 1, 10, 2, 10, 2], [3, 5]],
    ['the latest step of equal accuracies and losses', [10, 2, 10, 2, 10, 2, 9, 1], [3, 5, 7]],
  ] as const) {
    it(`chooses as the best weights ${name}`, async () => {
      const pairs = Array.from({ length: 4 }, (_, index) => ({
        right: measured[2 * index]!,
        loss: measured[2 * index + 1]!,
      }))
      const { outcome, events } = await run(8, pairs)
      assert.deepEqual(validations(events), { all: [3, 5, 7, 8], best })
      assert.equal(outcome.best.step, best.at(-1))
      assert.equal(outcome.result.bestStep, best.at(-1))
    })
  }

  it('states for every number of its result the weights that it belongs to', async () => {
    const better = { right: 15, loss: 0.5 }
    const measured = [better, better, { right: 12, loss: 1 }, { right: 11, loss: 1 }]
    const { outcome, events, evaluated } = await run(8, measured)
    const { result, best, last } = outcome
    assert.deepEqual(
      evaluated.map(({ split }) => split),
      ['validation', 'validation', 'validation', 'validation', 'test'],
    )
    assert.deepEqual(
      [evaluated[1], evaluated[4]].map((one) => one!.sha256),
      [sha256Of(best.weights), sha256Of(best.weights)],
    )
    assert.equal(evaluated[3]!.sha256, sha256Of(last.weights))
    assert.deepEqual([best.step, last.step], [5, 8])
    assert.notEqual(sha256Of(best.weights), sha256Of(last.weights))
    assert.deepEqual(result.weights, {
      best: { step: 5, sha256: sha256Of(best.weights), validation: { accuracy: 0.75, loss: 0.5 } },
      last: { step: 8, sha256: sha256Of(last.weights), validation: { accuracy: 0.55, loss: 1 } },
    })
    assert.equal(result.weightsSha256, result.weights.last.sha256)
    // One row per label: 19 of 20 samples have the first one.
    assert.deepEqual(
      [result.validation!.confusion, result.test!.confusion],
      [
        [
          [14, 5],
          [0, 1],
        ],
        [
          [10, 9],
          [0, 1],
        ],
      ],
    )
    assert.deepEqual(
      [result.validation, result.test].map((measured) => [measured?.weights, measured?.step]),
      [
        ['best', 5],
        ['best', 5],
      ],
    )
    const test = events.find((event) => event.kind === 'evaluated' && event.result.split === 'test')!
    assert.match(describeEvent(test)!, /^test of the best weights, step 5 /)

    const table = finalTable(result, 'runs/x')
    for (const line of [
      /test accuracy +│ 55\.0 % \(best, step 5\)/,
      /test loss +│ 1\.0000 \(best, step 5\)/,
      /validation accuracy +│ 75\.0 %, loss 0\.5000 \(best, step 5\)/,
      /validation accuracy +│ 55\.0 %, loss 1\.0000 \(last, step 8\)/,
      new RegExp(`weights sha256 +│ ${sha256Of(best.weights)} \\(best, step 5\\)`),
      new RegExp(`weights sha256 +│ ${sha256Of(last.weights)} \\(last, step 8\\)`),
    ])
      assert.match(table, line)
  })
})
