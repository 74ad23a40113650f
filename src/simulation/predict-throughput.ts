import { ConvoyError } from '../shared/errors.js'
import type { ClusterScenario } from './cluster-scenario.js'
import { runCluster } from './simulated-cluster.js'

export type Bottleneck =
  'compute' | 'too few shards' | 'network' | 'coordinator' | 'relays' | 'scheduling' | 'cores' | 'failures'

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

/**
 * Runs the real scheduler and training loop in virtual time, and real relays.
 * @throws ConvoyError('usage') for relays on the coordinator's machine; ConvoyError('training') when the failures let no step through
 */
export async function predictThroughput(scenario: ClusterScenario): Promise<Prediction> {
  if (scenario.relays > 0 && scenario.link === undefined)
    throw new ConvoyError('usage', 'Relays are for machines behind a network link: its bandwidth is missing.')
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

async function meanStepMs(scenario: ClusterScenario): Promise<number> {
  const durationsMs = await runCluster(scenario)
  const counted = durationsMs.slice(Math.min(WARM_UP, durationsMs.length - 1))
  return counted.reduce((sum, ms) => sum + ms, 0) / counted.length
}

/** What a step loses most time with; compute, when that is less than a tenth of it. */
function bottleneckOf(scenario: ClusterScenario, calmMs: number, stepMs: number): Bottleneck {
  const { workers, relays, cores, shards, shardMs, vectorBytes, link, exchange } = scenario
  const { memory, network, copyMs } = exchange
  const { resultMs, betweenStepsMs } = scenario
  const busy = Math.min(workers, shards)
  const members = relays > 0 ? Math.ceil(busy / relays) : busy
  const { sendMs, receiveMs, downMs, upMs } = link ? network : memory
  const idealMs = (shards * shardMs) / workers
  const losses: [Bottleneck, number][] = [
    ['too few shards', Math.ceil(shards / workers) * shardMs - idealMs],
    ['cores', (Math.max(1, busy / cores) - 1) * Math.ceil(shards / workers) * shardMs],
    ['network', link ? 2 * link.latencyMs + (2 * members * vectorBytes * 1000) / link.bandwidth + downMs + upMs : 0],
    ['coordinator', members * (sendMs + receiveMs + resultMs) + betweenStepsMs],
    ['relays', relays > 0 ? relays * (memory.sendMs + memory.receiveMs + resultMs) + 2 * copyMs : 0],
    ['failures', stepMs - calmMs],
  ]
  // What nothing else explains: leases that are given one after the other, or unequal shares.
  losses.push(['scheduling', calmMs - idealMs - losses.slice(0, -1).reduce((sum, [, ms]) => sum + ms, 0)])
  const [name, lostMs] = losses.reduce((most, loss) => (loss[1] > most[1] ? loss : most))
  return lostMs < stepMs / 10 ? 'compute' : name
}
