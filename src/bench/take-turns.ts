import type { Contestant } from './contestant.js'
import { BATCH_SIZE } from './contestant.js'

/** Steps in which speeds are learnt and graphs are built. */
export const WARM_UP_STEPS = 20

/** What is counted in a step. */
interface Unit {
  readonly perStep: number
  /** Plural. */
  readonly name: string
}

const IMAGES: Unit = { perStep: BATCH_SIZE, name: 'images' }

/**
 * Runs every contestant once in each round, so that a change in the machine's speed affects all.
 * @param unit what rates count. @default images
 * @returns units per second over a whole turn, by contestant and round: a mean, since a median would hide rare slow steps
 */
export async function takeTurns(
  contestants: readonly Pick<Contestant, 'steps'>[],
  rounds: number,
  steps: number,
  log: (text: string) => void,
  unit = IMAGES,
): Promise<number[][]> {
  const rates = contestants.map((): number[] => [])
  for (const contestant of contestants) await contestant.steps(WARM_UP_STEPS)
  for (let round = 0; round < rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      const seconds = await contestant.steps(steps)
      rates[index]!.push((unit.perStep * steps) / seconds.reduce((sum, one) => sum + one, 0))
    }
    log(`Round ${round + 1} of ${rounds}: ${rates.map((ofOne) => rounded(ofOne.at(-1)!)).join(', ')} ${unit.name}/s`)
  }
  return rates
}

function rounded(rate: number): string {
  return rate.toFixed(rate < 10 ? 2 : 0)
}
