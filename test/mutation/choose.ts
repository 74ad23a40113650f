import { SeededDraws } from '../../src/simulation/seeded-draws.js'
import type { Mutation } from './mutation.js'

/** @returns mutations with one of the words in their names; all without words */
export function withWords<M extends Mutation>(mutations: readonly M[], words: readonly string[]): M[] {
  return mutations.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
}

/** @returns `count` of the mutations, or all when there are fewer, in their order, drawn with the seed */
export function drawn<M extends Mutation>(mutations: readonly M[], count: number, seed: number): M[] {
  const draws = new SeededDraws(seed)
  const left = [...mutations]
  const chosen = new Set<M>()
  while (chosen.size < count && left.length > 0) {
    const [one] = left.splice(draws.below(left.length), 1)
    chosen.add(one!)
  }
  return mutations.filter((mutation) => chosen.has(mutation))
}
