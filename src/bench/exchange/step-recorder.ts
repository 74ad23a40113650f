import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ResultMark } from '../../coordinator/result-marks.js'
import { RESULT_MARKS } from '../../coordinator/result-marks.js'
import type { RunEvent } from '../../training/run-events.js'
import { monotonicMs } from './monotonic.js'
import type { CoordinatorStep } from './timeline.js'

/** A step, and the worker whose result came last. */
export interface RecordedStep extends CoordinatorStep {
  readonly worker: number
}

/** Records the steps of one coordinator during its turn: marks of results are those of the whole process. */
export class StepRecorder {
  #steps: RecordedStep[] = []
  #beganMs = 0
  /** Of each worker's newest result. */
  readonly #thereMs = new Map<number, number>()
  #last: { readonly worker: number; readonly readMs: number } | undefined

  begin(): void {
    this.#steps = []
    this.#beganMs = monotonicMs()
    subscribe(RESULT_MARKS, this.#mark)
  }

  end(): RecordedStep[] {
    unsubscribe(RESULT_MARKS, this.#mark)
    return this.#steps
  }

  /** Called when the step is over. */
  stepped({ step, phaseSeconds }: Extract<RunEvent, { kind: 'step' }>): void {
    const publishedMs = monotonicMs()
    const appliedMs = publishedMs - 1000 * (phaseSeconds.publish ?? 0)
    const reducedMs = appliedMs - 1000 * (phaseSeconds.apply ?? 0)
    if (this.#last) {
      const thereMs = this.#thereMs.get(this.#last.worker)!
      const times = { beganMs: this.#beganMs, thereMs, reducedMs, appliedMs, publishedMs }
      this.#steps.push({ step: step - 1, ...this.#last, ...times })
    }
    this.#last = undefined
    this.#beganMs = publishedMs
  }

  readonly #mark = (message: unknown): void => {
    const { point, worker } = message as ResultMark
    if (point === 'there') this.#thereMs.set(worker, monotonicMs())
    else this.#last = { worker, readMs: monotonicMs() }
  }
}
