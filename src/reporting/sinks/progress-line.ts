import { counted, formatDuration, formatShare } from '../../shared/units.js'
import type { RunEvent } from '../../training/run-events.js'
import type { RunProgress } from '../run-progress.js'

const BAR_CELLS = 20

interface Part {
  readonly text: string
  /** Where there is little room, the highest goes first. */
  readonly rank: number
}

const WAITING: readonly Part[] = [{ text: 'waiting for workers', rank: 1 }]
const PAUSED: readonly Part[] = [{ text: 'paused', rank: 1 }]

/** The progress of a run in one line. */
export class ProgressLine {
  readonly #progress: RunProgress
  #parts: readonly Part[] = WAITING

  /** @param progress of the same run; it must be updated before {@link observe} */
  constructor(progress: RunProgress) {
    this.#progress = progress
  }

  observe(event: RunEvent): void {
    if (event.kind === 'waiting') {
      this.#parts = WAITING
    } else if (event.kind === 'paused') {
      this.#parts = PAUSED
    } else if (event.kind === 'evaluating') {
      this.#parts = [{ text: `${event.split}: ${event.done} of ${event.total} images`, rank: 1 }]
    } else if (event.kind === 'step') {
      const { epoch, loss, accuracy, samplesPerSecond, secondsLeft } = this.#progress.summary
      const isMeasured = samplesPerSecond > 0
      this.#parts = [
        { text: `epoch ${epoch.toFixed(2)}`, rank: 7 },
        { text: `loss ${loss.toFixed(3)}`, rank: 2 },
        ...(accuracy === undefined ? [] : [{ text: `accuracy ${formatShare(accuracy)}`, rank: 3 }]),
        ...(isMeasured ? [{ text: `${samplesPerSecond.toFixed(0)} samples/s`, rank: 4 }] : []),
        { text: counted(event.workers, 'worker'), rank: 5 },
        ...(isMeasured ? [{ text: `${formatDuration(secondsLeft)} left`, rank: 1 }] : []),
      ]
    }
  }

  /** Without a bar: `step 12/200  epoch …`. */
  plain(): string {
    const { step, totalSteps } = this.#progress.summary
    return line([{ text: `step ${step}/${totalSteps}`, rank: 0 }, ...this.#parts])
  }

  /** With a bar, and only as much as fits. */
  within(columns: number): string {
    const { step, totalSteps } = this.#progress.summary
    const done = Math.round((BAR_CELLS * step) / totalSteps)
    let parts: readonly Part[] = [
      { text: '█'.repeat(done) + '░'.repeat(BAR_CELLS - done), rank: 6 },
      { text: `${step}/${totalSteps}`, rank: 0 },
      ...this.#parts,
    ]
    while (parts.length > 1 && line(parts).length > columns) {
      const last = Math.max(...parts.map(({ rank }) => rank))
      parts = parts.filter(({ rank }) => rank !== last)
    }
    return line(parts).slice(0, columns)
  }
}

function line(parts: readonly Part[]): string {
  return parts.map(({ text }) => text).join('  ')
}
