import type { Contestant } from './contestant.js'
import { BATCH_SIZE } from './contestant.js'

/** Steps in which speeds are learnt and graphs are built. */
const WARM_UP_STEPS = 20

/**
 * Runs every contestant once in each round, so that a change in the machine's speed affects all.
 * @returns images per second over a whole turn, by contestant and round: a mean, since a median would hide rare slow steps
 */
export async function takeTurns(
  contestants: readonly Pick<Contestant, 'steps'>[],
  rounds: number,
  steps: number,
  log: (text: string) => void,
): Promise<number[][]> {
  const rates = contestants.map((): number[] => [])
  for (const contestant of contestants) await contestant.steps(WARM_UP_STEPS)
  for (let round = 0; round < rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      const seconds = await contestant.steps(steps)
      rates[index]!.push((BATCH_SIZE * steps) / seconds.reduce((sum, one) => sum + one, 0))
    }
    log(`Round ${round + 1} of ${rounds}: ${rates.map((ofOne) => ofOne.at(-1)!.toFixed(0)).join(', ')} images/s`)
  }
  return rates
}
