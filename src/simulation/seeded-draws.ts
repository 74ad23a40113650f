import { philox, toUnit } from '../shared/philox.js'

/** A sequence of draws that only its seed decides. For simulated accidents; training itself draws by key, not by sequence. */
export class SeededDraws {
  readonly #seed: number
  readonly #stream: number
  readonly #words = new Uint32Array(4)
  #count = 0

  /** @param stream another one gives other draws */
  constructor(seed: number, stream = 0) {
    this.#seed = seed
    this.#stream = stream
  }

  /** Uniform in [0, 1). */
  unit(): number {
    if (this.#count % 4 === 0) philox(this.#words, this.#seed, 0x5151, this.#count / 4, this.#stream, 0, 0)
    return toUnit(this.#words[this.#count++ % 4]!)
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.unit()
  }

  /** A uniform integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.unit() * bound)
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!
  }
}
