import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ResultMark } from '../../coordinator/result-marks.js'
import { RESULT_MARKS } from '../../coordinator/result-marks.js'
import type { RunEvent } from '../../training/run-events.js'
import { monotonicMs } from './monotonic.js'
import type { CoordinatorStep } from './timeline.js'

/** Milliseconds that the coordinator's thread worked, in a step of one worker: those in which its event loop did not wait. */
export interface BusyTimes {
  /** From the beginning of the step until the result begins to come: sending lease and weights. */
  readonly sendMs: number
  /** From there until the whole vector is in memory. */
  readonly receiveMs: number
}

/** A step, and the worker whose result came last. */
export interface RecordedStep extends CoordinatorStep {
  readonly worker: number
  /** Of this worker's result; what was sent is that of all workers. */
  readonly busy: BusyTimes
}

interface Moment {
  readonly atMs: number
  readonly activeMs: number
}

/** Records the steps of one coordinator during its turn: marks of results are those of the whole process. */
export class StepRecorder {
  #steps: RecordedStep[] = []
  #began: Moment = { atMs: 0, activeMs: 0 }
  /** Of each worker's newest result. */
  readonly #there = new Map<number, Moment>()
  #last: { readonly worker: number; readonly read: Moment } | undefined

  begin(): void {
    this.#steps = []
    this.#began = moment()
    subscribe(RESULT_MARKS, this.#mark)
  }

  end(): RecordedStep[] {
    unsubscribe(RESULT_MARKS, this.#mark)
    return this.#steps
  }

  /** Called when the step is over. */
  stepped({ step, phaseSeconds }: Extract<RunEvent, { kind: 'step' }>): void {
    const published = moment()
    const publishedMs = published.atMs
    const appliedMs = publishedMs - 1000 * (phaseSeconds.publish ?? 0)
    const reducedMs = appliedMs - 1000 * (phaseSeconds.apply ?? 0)
    if (this.#last) {
      const { worker, read } = this.#last
      const [began, there] = [this.#began, this.#there.get(worker)!]
      const times = { beganMs: began.atMs, thereMs: there.atMs, readMs: read.atMs, reducedMs, appliedMs, publishedMs }
      const busy = { sendMs: there.activeMs - began.activeMs, receiveMs: read.activeMs - there.activeMs }
      this.#steps.push({ step: step - 1, worker, ...times, busy })
    }
    this.#last = undefined
    this.#began = published
  }

  readonly #mark = (message: unknown): void => {
    const { point, worker } = message as ResultMark
    if (point === 'there') this.#there.set(worker, moment())
    else this.#last = { worker, read: moment() }
  }
}

function moment(): Moment {
  return { atMs: monotonicMs(), activeMs: performance.eventLoopUtilization().active }
}
