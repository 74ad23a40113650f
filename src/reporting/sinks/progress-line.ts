import { counted, formatDuration, formatShare } from '../../shared/units.js'
import type { RunEvent } from '../../training/run-events.js'

const BAR_CELLS = 20
/** Weight of the newest step in the rate that is shown. */
const SMOOTHING = 0.05

interface Part {
  readonly text: string
  /** Where there is little room, the highest goes first. */
  readonly rank: number
}

const WAITING: readonly Part[] = [{ text: 'waiting for workers', rank: 1 }]

/** How far the run is, in a line: rate and time left are smoothed. */
export class ProgressLine {
  #totalSteps = 0
  #step = 0
  #batchSize = 0
  #stepMs = 0
  #parts: readonly Part[] = WAITING

  observe(event: RunEvent): void {
    if (event.kind === 'started') {
      this.#totalSteps = event.totalSteps
      this.#batchSize = event.config.batchSize
    } else if (event.kind === 'waiting') {
      this.#parts = WAITING
    } else if (event.kind === 'evaluating') {
      this.#parts = [{ text: `${event.split}: ${event.done} of ${event.total} images`, rank: 1 }]
    } else if (event.kind === 'step') {
      const { step, epoch, loss, accuracy, durationMs, workers } = event
      this.#stepMs = step <= 2 ? durationMs : (1 - SMOOTHING) * this.#stepMs + SMOOTHING * durationMs
      this.#step = step
      const rate = (1000 * this.#batchSize) / this.#stepMs
      const left = formatDuration(((this.#totalSteps - step) * this.#stepMs) / 1000)
      // The first step waits for workers to start: it says nothing about speed.
      const isTimed = step > 1
      this.#parts = [
        { text: `epoch ${epoch.toFixed(2)}`, rank: 7 },
        { text: `loss ${loss.toFixed(3)}`, rank: 2 },
        { text: `accuracy ${formatShare(accuracy)}`, rank: 3 },
        ...(isTimed ? [{ text: `${rate.toFixed(0)} images/s`, rank: 4 }] : []),
        { text: counted(workers, 'worker'), rank: 5 },
        ...(isTimed ? [{ text: `${left} left`, rank: 1 }] : []),
      ]
    }
  }

  /** Without a bar: `step 12/200  epoch …`. */
  plain(): string {
    return line([{ text: `step ${this.#step}/${this.#totalSteps}`, rank: 0 }, ...this.#parts])
  }

  /** With a bar, and only as much as fits. */
  within(columns: number): string {
    const done = Math.round((BAR_CELLS * this.#step) / this.#totalSteps)
    let parts: readonly Part[] = [
      { text: '█'.repeat(done) + '░'.repeat(BAR_CELLS - done), rank: 6 },
      { text: `${this.#step}/${this.#totalSteps}`, rank: 0 },
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
