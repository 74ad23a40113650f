import { monotonicMs } from './monotonic.js'

/** When a worker did its part of a step, on the clock of {@link monotonicMs}. */
export interface WorkerStep {
  readonly step: number
  /** The lease was on the compute thread. */
  readonly leasedMs: number
  /** Its weights were there: the first shard began. */
  readonly startedMs: number
  /** Duration of all its shards. */
  readonly computeMs: number
  /** The sum of its shards was delivered: written, or handed to the thread that sends. */
  readonly deliveredMs: number
}

/** Steps that are kept: more than in one turn. */
const SLOTS = 2 ** 14
const FIELDS = ['step', 'leasedMs', 'startedMs', 'computeMs', 'deliveredMs'] as const
/** Behind the steps: whether the worker is prepared. */
const PREPARED = SLOTS * FIELDS.length
const BYTES = (PREPARED + 1) * Float64Array.BYTES_PER_ELEMENT

/** The newest steps of a worker. Its compute thread writes them, and its main thread reads them between turns. */
export class WorkerSteps {
  readonly memory: SharedArrayBuffer
  readonly #values: Float64Array

  constructor(memory = new SharedArrayBuffer(BYTES)) {
    this.memory = memory
    this.#values = new Float64Array(memory)
  }

  /** The worker can compute, and says so now. */
  prepared(): void {
    this.#values[PREPARED] = 1
  }

  get isPrepared(): boolean {
    return this.#values[PREPARED] === 1
  }

  /** A lease came. Of several leases of a step, the first begins it. */
  leased(step: number): void {
    const offset = offsetOf(step)
    if (this.#values[offset] !== step || this.#values[offset + 1] === 0)
      this.#values.set([step, monotonicMs(), 0, 0, 0], offset)
  }

  /** A shard took so long, and is computed now. */
  computed(step: number, milliseconds: number): void {
    const offset = offsetOf(step)
    if (this.#values[offset + 2] === 0) this.#values[offset + 2] = monotonicMs() - milliseconds
    this.#values[offset + 3]! += milliseconds
  }

  delivered(step: number): void {
    this.#values[offsetOf(step) + 4] = monotonicMs()
  }

  /** @returns of the steps first … first + count - 1 those that are there */
  read(first: number, count: number): WorkerStep[] {
    return Array.from({ length: count }, (_, index) => first + index)
      .filter((step) => this.#values[offsetOf(step)] === step && this.#values[offsetOf(step) + 4] !== 0)
      .map((step) => {
        const [, leasedMs, startedMs, computeMs, deliveredMs] = this.#values.subarray(offsetOf(step))
        return { step, leasedMs, startedMs, computeMs, deliveredMs } as WorkerStep
      })
  }
}

function offsetOf(step: number): number {
  return (step % SLOTS) * FIELDS.length
}
