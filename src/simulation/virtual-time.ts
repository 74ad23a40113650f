interface Entry {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** Time that passes only from one event to the next. Events at the same moment run in the order that they were asked for. */
export class VirtualTime {
  /** A binary heap: the earliest is first. */
  readonly #heap: Entry[] = []
  #order = 0
  #nowMs = 0

  get nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.#nowMs + delayMs, run)
  }

  at(atMs: number, run: () => void): void {
    const heap = this.#heap
    heap.push({ atMs: Math.max(atMs, this.#nowMs), order: this.#order++, run })
    for (let index = heap.length - 1; index > 0;) {
      const parent = (index - 1) >> 1
      if (!before(heap[index]!, heap[parent]!)) break
      swap(heap, index, parent)
      index = parent
    }
  }

  /** Goes on to the next event. @returns false when there is none */
  next(): boolean {
    const heap = this.#heap
    const entry = heap[0]
    if (entry === undefined) return false
    const last = heap.pop()!
    if (heap.length > 0) {
      heap[0] = last
      for (let index = 0; ;) {
        const left = 2 * index + 1
        const right = left + 1
        let smallest = index
        if (left < heap.length && before(heap[left]!, heap[smallest]!)) smallest = left
        if (right < heap.length && before(heap[right]!, heap[smallest]!)) smallest = right
        if (smallest === index) break
        swap(heap, index, smallest)
        index = smallest
      }
    }
    this.#nowMs = entry.atMs
    entry.run()
    return true
  }
}

function before(one: Entry, other: Entry): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
}

function swap(heap: Entry[], one: number, other: number): void {
  const entry = heap[one]!
  heap[one] = heap[other]!
  heap[other] = entry
}
