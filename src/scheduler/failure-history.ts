import type { SchedulerLimits } from './limits.js'

interface Standing {
  strikes: number
  quarantines: number
  /** Infinity: for the rest of the run. */
  untilMs: number
}

/**
 * Who failed how often, by the name of the worker: one that crashes and joins again under its name is remembered.
 * A result that counted wipes the strikes out; the number of quarantines stays.
 */
export class FailureHistory {
  readonly #limits: SchedulerLimits
  readonly #byName = new Map<string, Standing>()

  constructor(limits: SchedulerLimits) {
    this.#limits = limits
  }

  /** Until when this name gets no lease; 0 when it may have one. */
  quarantinedUntilMs(name: string): number {
    return this.#byName.get(name)?.untilMs ?? 0
  }

  succeeded(name: string): void {
    const standing = this.#byName.get(name)
    if (standing !== undefined) standing.strikes = 0
  }

  /** @returns until when it is in quarantine now; undefined when it is not */
  failed(name: string, nowMs: number): number | undefined {
    const standing = this.#of(name)
    if (++standing.strikes < this.#limits.strikes) return undefined
    standing.strikes = 0
    const { quarantineMs, longestQuarantineMs } = this.#limits
    const lengthMs = Math.min(longestQuarantineMs, quarantineMs * 2 ** standing.quarantines++)
    standing.untilMs = Math.max(standing.untilMs, nowMs + lengthMs)
    return standing.untilMs
  }

  /** It computed wrongly: nothing that it says is believed any more. */
  distrust(name: string): void {
    this.#of(name).untilMs = Infinity
  }

  #of(name: string): Standing {
    let standing = this.#byName.get(name)
    if (standing === undefined) {
      standing = { strikes: 0, quarantines: 0, untilMs: 0 }
      this.#byName.set(name, standing)
      if (this.#byName.size > this.#limits.names) this.#forgetOldest()
    }
    return standing
  }

  /** Never one that was caught computing wrongly. */
  #forgetOldest(): void {
    for (const [name, { untilMs }] of this.#byName) {
      if (untilMs === Infinity) continue
      this.#byName.delete(name)
      return
    }
  }
}
