/** Vectors of one length that wait to be used again; more are let go. */
const MAX_WAITING = 16

/** Vectors that are used again: a fresh one of 45 MB costs three times the copy into it, in pages that the system has to find. */
export class VectorPool {
  readonly #waiting = new Map<number, Float32Array[]>()
  readonly #allocate: (length: number) => Float32Array

  /** @param allocate makes a vector of this length */
  constructor(allocate: (length: number) => Float32Array) {
    this.#allocate = allocate
  }

  /** @returns float32, `[length]`, with whatever it held before */
  take(length: number): Float32Array {
    return this.#waiting.get(length)?.pop() ?? this.#allocate(length)
  }

  /** The vector belongs to the pool from here on. */
  give(vector: Float32Array): void {
    const waiting = this.#waiting.get(vector.length) ?? []
    if (waiting.length < MAX_WAITING) this.#waiting.set(vector.length, [...waiting, vector])
  }
}
