import type { SchedulerLimits } from './limits.js'

interface Failures {
  strikes: number
  quarantines: number
  /** Infinity: for the rest of the run. */
  untilMs: number
}

/**
 * Failures of each worker, by name: a worker that crashes and joins again under its name keeps them.
 * A result that counts resets the strikes; the number of quarantines stays.
 */
export class FailureHistory {
  readonly #limits: SchedulerLimits
  readonly #byName = new Map<string, Failures>()

  constructor(limits: SchedulerLimits) {
    this.#limits = limits
  }

  /** Until when this name gets no lease; 0 when it may have one. */
  quarantinedUntilMs(name: string): number {
    return this.#byName.get(name)?.untilMs ?? 0
  }

  succeeded(name: string): void {
    const failures = this.#byName.get(name)
    if (failures !== undefined) failures.strikes = 0
  }

  /** @returns until when it is in quarantine now; undefined when it is not */
  failed(name: string, nowMs: number): number | undefined {
    const failures = this.#of(name)
    if (++failures.strikes < this.#limits.strikes) return undefined
    failures.strikes = 0
    const { quarantineMs, longestQuarantineMs } = this.#limits
    const lengthMs = Math.min(longestQuarantineMs, quarantineMs * 2 ** failures.quarantines++)
    failures.untilMs = Math.max(failures.untilMs, nowMs + lengthMs)
    return failures.untilMs
  }

  /** The worker computed a wrong result: it gets no lease for the rest of the run. */
  distrust(name: string): void {
    this.#of(name).untilMs = Infinity
  }

  #of(name: string): Failures {
    let failures = this.#byName.get(name)
    if (failures === undefined) {
      failures = { strikes: 0, quarantines: 0, untilMs: 0 }
      this.#byName.set(name, failures)
      if (this.#byName.size > this.#limits.names) this.#forgetOldest()
    }
    return failures
  }

  /** Never a worker that computed a wrong result. */
  #forgetOldest(): void {
    for (const [name, { untilMs }] of this.#byName) {
      if (untilMs === Infinity) continue
      this.#byName.delete(name)
      return
    }
  }
}
