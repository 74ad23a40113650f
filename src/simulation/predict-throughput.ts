import { setImmediate as settlePromises } from 'node:timers/promises'
import { DEFAULT_LIMITS } from '../scheduler/limits.js'
import { ConvoyError } from '../shared/errors.js'
import { SeededDraws } from './seeded-draws.js'
import { SimulatedCoordinator } from './simulated-coordinator.js'
import { SimulatedLink } from './simulated-link.js'
import { SimulatedWorker } from './simulated-worker.js'
import { TinyProblem } from './tiny-problem.js'
import { VirtualTime } from './virtual-time.js'

/** A cluster and a job that may not exist. */
export interface ClusterScenario {
  readonly workers: number
  /** Cores (or GPUs) that the workers share: more workers than that take turns. */
  readonly cores: number
  readonly shards: number
  readonly shardSize: number
  /** Milliseconds of one core for one shard. */
  readonly shardMs: number
  /** Relative spread of shardMs from shard to shard. */
  readonly jitter: number
  readonly vectorBytes: number
  /** Of the coordinator's link, which all workers share; bytes per second. */
  readonly bandwidth: number
  /** One way, milliseconds. */
  readonly latencyMs: number
  /** Coordinator's time for one result, and between two steps. */
  readonly resultMs: number
  readonly betweenStepsMs: number
  readonly failuresPerWorkerHour: number
  /** From a failure until the worker is back. */
  readonly restartMs: number
  readonly steps: number
  readonly seed: number
}

/** What is not measured: processes of one machine, no failures. */
export const LOCAL_CLUSTER = {
  ...{ jitter: 0.05, bandwidth: 3e9, latencyMs: 0.5, failuresPerWorkerHour: 0, restartMs: 30_000 },
} as const

export type Bottleneck = 'compute' | 'too few shards' | 'network' | 'coordinator' | 'cores' | 'failures'

export interface Prediction {
  readonly workers: number
  readonly stepMs: number
  readonly samplesPerSecond: number
  /** Relative to as many workers that lose no time at all, each on a core of its own: 0 to 1. */
  readonly efficiency: number
  /** Relative to the same cluster without failures: 0 to 1. */
  readonly goodput: number
  readonly bottleneck: Bottleneck
}

/** Steps at the beginning that do not count: speeds are not measured yet. */
const WARM_UP = 5
const MS_PER_HOUR = 3_600_000

/** Runs the real scheduler and training loop in virtual time. @throws ConvoyError('training') when the failures let no step through */
export async function predictThroughput(scenario: ClusterScenario): Promise<Prediction> {
  const calmMs = await meanStepMs({ ...scenario, failuresPerWorkerHour: 0 })
  const stepMs = scenario.failuresPerWorkerHour > 0 ? await meanStepMs(scenario) : calmMs
  const { workers, shards, shardMs, shardSize } = scenario
  const samplesPerSecond = (shards * shardSize * 1000) / stepMs
  return {
    ...{ workers, stepMs, samplesPerSecond },
    efficiency: (shards * shardMs) / workers / stepMs,
    goodput: calmMs / stepMs,
    bottleneck: bottleneckOf(scenario, calmMs, stepMs),
  }
}

/** What a step loses most time with; compute, when that is less than a tenth of it. */
function bottleneckOf(scenario: ClusterScenario, calmMs: number, stepMs: number): Bottleneck {
  const { workers, cores, shards, shardMs, vectorBytes, bandwidth, latencyMs, resultMs, betweenStepsMs } = scenario
  const busy = Math.min(workers, shards)
  const idealMs = (shards * shardMs) / workers
  const losses: [Bottleneck, number][] = [
    ['too few shards', Math.ceil(shards / workers) * shardMs - idealMs],
    ['cores', (Math.max(1, busy / cores) - 1) * Math.ceil(shards / workers) * shardMs],
    ['network', 2 * latencyMs + (2 * busy * vectorBytes * 1000) / bandwidth],
    ['coordinator', busy * resultMs + betweenStepsMs],
    ['failures', stepMs - calmMs],
  ]
  const [name, lostMs] = losses.reduce((most, loss) => (loss[1] > most[1] ? loss : most))
  return lostMs < stepMs / 10 ? 'compute' : name
}

async function meanStepMs(scenario: ClusterScenario): Promise<number> {
  const { workers: count, shards } = scenario
  const time = new VirtualTime()
  const problem = new TinyProblem(shards, scenario.steps)
  const durationsMs: number[] = []
  let failure: unknown
  let isOver = false
  const coordinator = new SimulatedCoordinator({
    ...{ time, description: problem.description, split: problem.split, limits: DEFAULT_LIMITS, auditEvery: 0 },
    observer: (event) => {
      if (event.kind === 'step') durationsMs.push(event.durationMs + scenario.betweenStepsMs)
    },
    resultMs: scenario.resultMs,
    hooks: {
      beforeStep: async () => {
        coordinator.work(scenario.betweenStepsMs)
        await new Promise<void>((resolve) => {
          time.after(scenario.betweenStepsMs, resolve)
        })
        while (coordinator.pool.workerCount < count && durationsMs.length === 0) {
          await new Promise<void>((resolve) => {
            time.after(100, resolve)
          })
        }
      },
    },
  })
  startWorkers(scenario, time, problem, coordinator)
  coordinator.train().then(
    () => (isOver = true),
    (error: unknown) => (failure = error),
  )
  // Evaluation after the last step does not matter here.
  while (!isOver && failure === undefined && durationsMs.length < scenario.steps) {
    if (!time.next()) throw new ConvoyError('internal', 'nothing can happen any more in the simulation')
    if (coordinator.pool.leases.length === 0) await settlePromises()
  }
  coordinator.kill()
  if (failure !== undefined) throw ConvoyError.from(failure)
  const counted = durationsMs.slice(Math.min(WARM_UP, durationsMs.length - 1))
  return counted.reduce((sum, ms) => sum + ms, 0) / counted.length
}

function startWorkers(
  scenario: ClusterScenario,
  time: VirtualTime,
  problem: TinyProblem,
  coordinator: SimulatedCoordinator,
): void {
  const { workers: count, cores, shards, shardMs, jitter, vectorBytes, bandwidth, latencyMs } = scenario
  // All send at about the same time and share the coordinator's link.
  const bytesPerMs = bandwidth / 1000 / Math.min(count, shards)
  const link = { latencyMs, jitterMs: 0, bytesPerMs, loss: 0, duplication: 0, reorder: 0 }
  const workers: SimulatedWorker[] = Array.from({ length: count }, (_, index) => {
    const draws = new SeededDraws(scenario.seed, index + 1)
    const traits = { name: `worker-${index}`, bootMs: 1, syncMs: 1, shardMs, jitter, flaw: 'none' as const }
    return new SimulatedWorker(traits, {
      ...{ time, draws, link: new SimulatedLink(time, draws, link), problem, vectorBytes },
      heartbeatMs: DEFAULT_LIMITS.heartbeatMs,
      coordinator: () => coordinator,
      crowding: () => Math.max(1, workers.filter(({ isComputing }) => isComputing).length / cores),
    })
  })
  workers.forEach((worker, index) => {
    worker.start()
    if (scenario.failuresPerWorkerHour > 0)
      failNowAndThen(scenario, time, worker, new SeededDraws(scenario.seed, 1_000_000 + index))
  })
}

/** Exponentially distributed intervals: failures that do not know of each other. */
function failNowAndThen(
  scenario: ClusterScenario,
  time: VirtualTime,
  worker: SimulatedWorker,
  draws: SeededDraws,
): void {
  const intervalMs = (-Math.log(1 - draws.unit()) * MS_PER_HOUR) / scenario.failuresPerWorkerHour
  time.after(intervalMs, () => {
    worker.kill()
    time.after(scenario.restartMs, () => {
      worker.start()
      failNowAndThen(scenario, time, worker, draws)
    })
  })
}
