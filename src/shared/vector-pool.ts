/** Limit on waiting vectors of one length; others are left to the garbage collector. */
const MAX_WAITING = 16

/** Reuses vectors: a fresh one of 45 MB costs three times the copy into it, for new pages of memory. */
export class VectorPool {
  readonly #waiting = new Map<number, Float32Array[]>()
  readonly #borrowed = new WeakSet<Float32Array>()

  /** @returns float32, `[length]`, with old values */
  take(length: number): Float32Array {
    return this.#waiting.get(length)?.pop() ?? new Float32Array(length)
  }

  /** @returns float32, the same numbers in memory of the pool */
  copy(vector: Float32Array): Float32Array {
    const copy = this.take(vector.length)
    copy.set(vector)
    return copy
  }

  /** Notes that a vector is not in memory of the pool: {@link give} leaves it alone. */
  borrow(vector: Float32Array): void {
    this.#borrowed.add(vector)
  }

  /** @returns the vector, or a copy if it is not in memory of the pool: the same numbers for as long as the caller wants them */
  own(vector: Float32Array): Float32Array {
    return this.#borrowed.has(vector) ? this.copy(vector) : vector
  }

  /** Returns a vector to the pool. The caller may not use it any more. */
  give(vector: Float32Array): void {
    if (this.#borrowed.has(vector)) return
    const waiting = this.#waiting.get(vector.length) ?? []
    if (waiting.length < MAX_WAITING) this.#waiting.set(vector.length, [...waiting, vector])
  }
}
