import type { CheckpointStatus, StatusReply } from '../shared/protocol/messages.js'
import type { RunState } from '../scheduler/run-states.js'
import { checkRunTransition, isOver } from '../scheduler/run-states.js'
import type { RunEvent } from '../training/run-events.js'
import { Throughput } from './throughput.js'

/** failed: steps are not journaled until the next checkpoint begins a new journal. */
export type JournalState = 'off' | 'on' | 'failed'

/** A run in a few numbers: bar, `convoy status`, page and metrics all read these. */
export interface RunSummary extends Omit<StatusReply, 'runDirectory' | 'workers'> {
  readonly state: RunState
  readonly journal: JournalState
}

/** Keeps the summary of a run, from its events and from what is on disk. */
export class RunProgress {
  /** The step journal. */
  journal: JournalState = 'off'
  readonly #wallSeconds: () => number
  readonly #throughput = new Throughput()
  #state: RunState = 'waiting'
  /** State as soon as a worker can compute. */
  #activity: 'training' | 'evaluating' = 'training'
  #totalSteps = 0
  #step = 0
  #epoch = 0
  #loss = 0
  #accuracy: number | undefined
  #checkpoint: { readonly step: number; readonly writtenSeconds: number } | undefined

  /** @param wallSeconds since 1970 */
  constructor(wallSeconds: () => number = () => Date.now() / 1000) {
    this.#wallSeconds = wallSeconds
  }

  observe(event: RunEvent): void {
    switch (event.kind) {
      case 'started':
        this.#totalSteps = event.totalSteps
        this.#throughput.started(event.totalSteps, event.config.batchSize)
        break
      case 'resumed':
        this.#throughput.resumed(event.step)
        this.#step = event.step
        this.#epoch = event.epoch
        break
      case 'waiting':
        this.#become('waiting')
        break
      case 'worker-joined':
        if (this.#state !== 'paused') this.#become(this.#activity)
        break
      case 'paused':
        this.#become('paused')
        break
      case 'continued':
        this.#does('training')
        break
      case 'step': {
        const { step, epoch, loss, accuracy, durationMs } = event
        this.#throughput.step(step, durationMs)
        this.#step = step
        this.#epoch = epoch
        this.#loss = loss
        this.#accuracy = accuracy
        this.#does('training')
        break
      }
      case 'evaluating':
        this.#does('evaluating')
        break
      case 'finished':
        // A run without a test was training until now.
        this.#does('evaluating')
        this.#become(event.result.steps < this.#totalSteps ? 'stopped' : 'finished')
        break
      default:
        break
    }
  }

  /** A checkpoint is on disk, the newest one. @param writtenSeconds since 1970 */
  checkpointed(step: number, writtenSeconds: number): void {
    this.#checkpoint = { step, writtenSeconds }
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
      ...(this.#accuracy !== undefined && { accuracy: this.#accuracy }),
      secondsLeft: this.#throughput.secondsLeft,
      ...(this.#checkpoint && { checkpoint: this.#statusOf(this.#checkpoint) }),
      journal: this.journal,
    }
  }

  /** @param writtenSeconds since 1970; a clock that was set back gives no negative age */
  #statusOf({ step, writtenSeconds }: { step: number; writtenSeconds: number }): CheckpointStatus {
    return { step, ageSeconds: Math.max(0, this.#wallSeconds() - writtenSeconds) }
  }

  /** A run whose last worker left after its last result waits, although that step is reported later. */
  #does(activity: 'training' | 'evaluating'): void {
    this.#activity = activity
    if (this.#state !== 'waiting') this.#become(activity)
  }

  #become(state: RunState): void {
    // Workers also join and leave after the end.
    if (state === this.#state || isOver(this.#state)) return
    checkRunTransition(this.#state, state)
    this.#state = state
  }
}
