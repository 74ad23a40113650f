import type { Scheduler } from '../scheduler/scheduler.js'
import type { Effect, SchedulerEvent } from '../scheduler/scheduler-events.js'

export interface SchedulerDriverOptions {
  readonly scheduler: Scheduler
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Requests a `tick` event at this time, instead of the one requested before. Infinity: none. */
  readonly wakeAt: (ms: number) => void
  readonly carryOut: (effect: Effect) => void
}

/** Sends events to the scheduler with their time, and carries out its effects in order. */
export class SchedulerDriver {
  readonly #options: SchedulerDriverOptions
  /** An effect that causes an event adds to the end: the effects before it come first. */
  readonly #effects: Effect[] = []
  #isCarryingOut = false
  #wakeMs = Infinity

  constructor(options: SchedulerDriverOptions) {
    this.#options = options
  }

  /** @param then runs before the effects do, so that observers see the cause first */
  handle(event: SchedulerEvent, then: () => void = () => undefined): void {
    const { scheduler, now, carryOut } = this.#options
    const effects = scheduler.handle(now(), event)
    then()
    this.#effects.push(...effects)
    if (this.#isCarryingOut) return
    this.#isCarryingOut = true
    try {
      for (let effect; (effect = this.#effects.shift()) !== undefined;) carryOut(effect)
    } finally {
      this.#isCarryingOut = false
    }
    this.#setWakeTime(scheduler.wakeMs)
  }

  #setWakeTime(wakeMs: number): void {
    if (wakeMs === this.#wakeMs) return
    this.#wakeMs = wakeMs
    this.#options.wakeAt(wakeMs)
  }
}
