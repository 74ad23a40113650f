import type { DeviceChoice } from '../tensorflow/runtime/device-choice.js'
import { ConvoyError } from '../shared/errors.js'
import type { Contestant, Task } from './contestant.js'
import { BATCH_SIZE } from './contestant.js'
import { startConvoy } from './convoy-contestant.js'
import { startPeers } from './peers.js'

export interface EngineBenchmarkOptions {
  readonly task: Task
  /** Worker counts to measure Convoy with. */
  readonly workers: readonly number[]
  readonly device: DeviceChoice
  readonly makers: readonly string[]
  /** Python of the peers; undefined without peers. */
  readonly python: string | undefined
  readonly rounds: number
  /** Steps in each contestant's turn. */
  readonly steps: number
  readonly log: (text: string) => void
}

export interface EngineResult {
  readonly name: string
  readonly maker: Contestant['maker']
  readonly parameters: number
  /** Images per second of each round: the batch over the median step. */
  readonly rounds: readonly number[]
  /** Median of the rounds. */
  readonly imagesPerSecond: number
}

/** Steps before the first round: graphs, compilers and caches. */
const WARM_UP_STEPS = 5

/**
 * Measures all contestants in turns: in each round every contestant runs once, so that a change in the machine's speed affects all.
 * @throws ConvoyError when a contestant cannot start or trains another network than the rest
 */
export async function benchmarkEngine(options: EngineBenchmarkOptions): Promise<EngineResult[]> {
  const { task, workers, device, makers, python, rounds, steps, log } = options
  const contestants: Contestant[] = []
  try {
    for (const count of workers) contestants.push(await startConvoy(task, count, device))
    if (python !== undefined) contestants.push(...(await startPeers(python, makers, task)))
    for (const contestant of contestants) {
      log(`Warming up ${contestant.name}`)
      await contestant.steps(WARM_UP_STEPS)
    }
    const differing = contestants.find(({ parameters }) => parameters !== contestants[0]!.parameters)
    if (differing) {
      throw new ConvoyError(
        'internal',
        `${differing.name} trains ${differing.parameters} parameters and ${contestants[0]!.name} ${contestants[0]!.parameters}`,
      )
    }
    const rates = contestants.map((): number[] => [])
    for (let round = 0; round < rounds; round++) {
      for (const [index, contestant] of contestants.entries()) {
        rates[index]!.push(BATCH_SIZE / median(await contestant.steps(steps)))
      }
      log(`Round ${round + 1} of ${rounds}: ${rates.map((ofOne) => ofOne.at(-1)!.toFixed(0)).join(', ')} images/s`)
    }
    return contestants.map(({ name, maker, parameters }, index) => ({
      name,
      maker,
      parameters,
      rounds: rates[index]!,
      imagesPerSecond: median(rates[index]!),
    }))
  } finally {
    for (const contestant of contestants) await contestant.close()
  }
}

/** The middle value; of an even number the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The median of `rates[round] / base[round]`: within a round the machine is the same. */
export function medianRatio(rates: readonly number[], base: readonly number[]): number {
  return median(rates.map((rate, round) => rate / base[round]!))
}

/**
 * Rate of Convoy's fastest contestant divided by that of another maker's fastest, round by round.
 * @returns the median of the ratios; undefined when that maker did not take part
 */
export function ratioTo(maker: Contestant['maker'], results: readonly EngineResult[]): number | undefined {
  const best = (of: Contestant['maker']): EngineResult | undefined =>
    results.filter((result) => result.maker === of).toSorted((a, b) => b.imagesPerSecond - a.imagesPerSecond)[0]
  const [ours, theirs] = [best('Convoy'), best(maker)]
  return ours && theirs ? medianRatio(ours.rounds, theirs.rounds) : undefined
}
