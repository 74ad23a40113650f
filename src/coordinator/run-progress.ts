import type { StatusReply } from '../shared/protocol/messages.js'
import type { RunState } from '../scheduler/run-states.js'
import { checkRunTransition, isOver } from '../scheduler/run-states.js'
import type { RunEvent } from '../training/run-events.js'

/** How much the newest step weighs in the rate that people see. */
const RATE_WEIGHT = 0.05

/** The run in a few numbers, for `convoy status`. */
export class RunProgress {
  #state: RunState = 'waiting'
  /** What the run does as soon as there is a worker. */
  #activity: 'training' | 'evaluating' = 'training'
  #totalSteps = 0
  #step = 0
  #epoch = 0
  #loss = 0
  #accuracy = 0
  #samplesPerSecond = 0
  #batchSize = 0

  observe(event: RunEvent): void {
    switch (event.kind) {
      case 'started':
        this.#totalSteps = event.totalSteps
        this.#batchSize = event.config.batchSize
        break
      case 'waiting':
        this.#become('waiting')
        break
      case 'worker-joined':
        this.#become(this.#activity)
        break
      case 'step': {
        const { step, epoch, loss, accuracy, durationMs } = event
        const rate = (this.#batchSize * 1000) / durationMs
        const before = this.#samplesPerSecond
        // The first step waits for workers to start: it says nothing about speed.
        if (step > 1) this.#samplesPerSecond = step === 2 ? rate : (1 - RATE_WEIGHT) * before + RATE_WEIGHT * rate
        this.#step = step
        this.#epoch = epoch
        this.#loss = loss
        this.#accuracy = accuracy
        this.#become((this.#activity = 'training'))
        break
      }
      case 'evaluating':
        this.#become((this.#activity = 'evaluating'))
        break
      case 'finished':
        this.#become(event.result.steps < this.#totalSteps ? 'stopped' : 'finished')
        break
      default:
        break
    }
  }

  /** The run ended without a result. */
  brokeOff(state: 'stopped' | 'failed'): void {
    this.#become(state)
  }

  get summary(): Omit<StatusReply, 'runDirectory' | 'workers'> & { state: RunState } {
    const samplesLeft = (this.#totalSteps - this.#step) * this.#batchSize
    return {
      state: this.#state,
      step: this.#step,
      totalSteps: this.#totalSteps,
      epoch: this.#epoch,
      loss: this.#loss,
      samplesPerSecond: this.#samplesPerSecond,
      accuracy: this.#accuracy,
      secondsLeft: this.#samplesPerSecond > 0 ? samplesLeft / this.#samplesPerSecond : 0,
    }
  }

  #become(state: RunState): void {
    // Workers come and go after the end too.
    if (state === this.#state || isOver(this.#state)) return
    checkRunTransition(this.#state, state)
    this.#state = state
  }
}
