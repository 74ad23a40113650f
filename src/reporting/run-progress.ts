import type { StatusReply } from '../shared/protocol/messages.js'
import type { RunState } from '../scheduler/run-states.js'
import { checkRunTransition, isOver } from '../scheduler/run-states.js'
import type { RunEvent } from '../training/run-events.js'
import { Throughput } from './throughput.js'

/** A run in a few numbers: bar, `convoy status`, page and metrics all read these. */
export type RunSummary = Omit<StatusReply, 'runDirectory' | 'workers'> & { readonly state: RunState }

/** Keeps the summary of a run, from its events. */
export class RunProgress {
  readonly #throughput = new Throughput()
  #state: RunState = 'waiting'
  /** State as soon as a worker can compute. */
  #activity: 'training' | 'evaluating' = 'training'
  #totalSteps = 0
  #step = 0
  #epoch = 0
  #loss = 0
  #accuracy = 0

  observe(event: RunEvent): void {
    switch (event.kind) {
      case 'started':
        this.#totalSteps = event.totalSteps
        this.#throughput.started(event.totalSteps, event.config.batchSize)
        break
      case 'waiting':
        this.#become('waiting')
        break
      case 'worker-joined':
        this.#become(this.#activity)
        break
      case 'step': {
        const { step, epoch, loss, accuracy, durationMs } = event
        this.#throughput.step(step, durationMs)
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
  endWithoutResult(state: 'stopped' | 'failed'): void {
    this.#become(state)
  }

  get summary(): RunSummary {
    return {
      state: this.#state,
      step: this.#step,
      totalSteps: this.#totalSteps,
      epoch: this.#epoch,
      loss: this.#loss,
      samplesPerSecond: this.#throughput.samplesPerSecond,
      accuracy: this.#accuracy,
      secondsLeft: this.#throughput.secondsLeft,
    }
  }

  #become(state: RunState): void {
    // Workers also join and leave after the end.
    if (state === this.#state || isOver(this.#state)) return
    checkRunTransition(this.#state, state)
    this.#state = state
  }
}
