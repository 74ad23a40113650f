/** Limit on waiting vectors of one length; others are left to the garbage collector. */
const MAX_WAITING = 16

/** Reuses vectors: a fresh one of 45 MB costs three times the copy into it, for new pages of memory. */
export class VectorPool {
  readonly #waiting = new Map<number, Float32Array[]>()
  readonly #allocate: (length: number) => Float32Array

  /** @param allocate makes a vector of this length */
  constructor(allocate: (length: number) => Float32Array) {
    this.#allocate = allocate
  }

  /** @returns float32, `[length]`, with old values */
  take(length: number): Float32Array {
    return this.#waiting.get(length)?.pop() ?? this.#allocate(length)
  }

  /** Returns a vector to the pool. The caller may not use it any more. */
  give(vector: Float32Array): void {
    const waiting = this.#waiting.get(vector.length) ?? []
    if (waiting.length < MAX_WAITING) this.#waiting.set(vector.length, [...waiting, vector])
  }
}
