import { MultiBar, Presets } from 'cli-progress'
import { formatDuration, formatShare } from '../../shared/units.js'
import type { RunEvent, RunObserver } from '../run-events.js'

/** Where progress is shown. */
export interface ProgressDisplay {
  readonly observe: RunObserver
  /** A line of its own, above the bar where there is one; what the log tells people. */
  notice(text: string): void
  close(): void
}

const PLAIN_EVERY_MS = 10_000
/** Weight of the newest step in the rate that is shown. */
const SMOOTHING = 0.05

/** A bar on a terminal, plain lines elsewhere; all on that stream (standard output belongs to results). */
export function createProgressDisplay(stream: NodeJS.WriteStream, now: () => number): ProgressDisplay {
  return stream.isTTY ? barDisplay(stream) : plainDisplay(stream, now)
}

/** Rate, loss and time left, smoothed. */
class Pace {
  totalSteps = 0
  #batchSize = 0
  #stepMs = 0

  /** @returns the line for a step; undefined for other events */
  read(event: RunEvent): string | undefined {
    if (event.kind === 'started') {
      this.totalSteps = event.totalSteps
      this.#batchSize = event.config.batchSize
    }
    if (event.kind !== 'step') return undefined
    // The first step waits for workers to start.
    this.#stepMs = event.step <= 2 ? event.durationMs : (1 - SMOOTHING) * this.#stepMs + SMOOTHING * event.durationMs
    const rate = (1000 * this.#batchSize) / this.#stepMs
    const left = formatDuration(((this.totalSteps - event.step) * this.#stepMs) / 1000)
    return (
      `epoch ${event.epoch.toFixed(2)}  loss ${event.loss.toFixed(3)}  accuracy ${formatShare(event.accuracy)}  ` +
      `${rate.toFixed(0)} images/s  ${event.workers} workers  ${left} left`
    )
  }
}

function barDisplay(stream: NodeJS.WriteStream): ProgressDisplay {
  const bars = new MultiBar(
    { stream, format: '{bar} {value}/{total}  {text}', barsize: 20, hideCursor: true, autopadding: true, fps: 8 },
    Presets.shades_grey,
  )
  const pace = new Pace()
  let bar: ReturnType<MultiBar['create']> | undefined
  const notice = (text: string): void => {
    bars.log(`${text}\n`)
    bars.update()
  }
  return {
    notice,
    observe: (event) => {
      const line = pace.read(event)
      if (event.kind === 'started') bar = bars.create(event.totalSteps, 0, { text: 'waiting for workers' })
      else if (event.kind === 'step') bar?.update(event.step, { text: line })
      else if (event.kind === 'evaluating')
        bar?.update({ text: `${event.split}: ${event.done} of ${event.total} images` })
    },
    close: () => {
      bars.stop()
    },
  }
}

function plainDisplay(stream: NodeJS.WriteStream, now: () => number): ProgressDisplay {
  const pace = new Pace()
  let shownMs = -Infinity
  const notice = (text: string): void => {
    stream.write(`${text}\n`)
  }
  return {
    notice,
    observe: (event) => {
      const line = pace.read(event)
      if (event.kind !== 'step' || now() - shownMs < PLAIN_EVERY_MS) return
      shownMs = now()
      notice(`step ${event.step}/${pace.totalSteps}  ${line}`)
    },
    close: () => undefined,
  }
}
