import { canRedraw, columnsOf, highlighted } from '../../shared/terminal.js'
import type { RunObserver } from '../run-events.js'
import { ProgressLine } from './progress-line.js'

/** Where progress is shown. */
export interface ProgressDisplay {
  readonly observe: RunObserver
  /** A line of its own, above the bar where there is one; what the log tells people. Faults stand out. */
  notice(text: string, isFault?: boolean): void
  close(): void
}

const PLAIN_EVERY_MS = 10_000
const BAR_EVERY_MS = 125

/** A bar on a terminal, plain lines elsewhere; all on that stream (standard output belongs to results). */
export function createProgressDisplay(stream: NodeJS.WriteStream, now: () => number): ProgressDisplay {
  return canRedraw(stream) ? barDisplay(stream, now) : plainDisplay(stream, now)
}

function barDisplay(stream: NodeJS.WriteStream, now: () => number): ProgressDisplay {
  const progress = new ProgressLine()
  let isShown = false
  let shownMs = -Infinity
  const draw = (): void => {
    shownMs = now()
    stream.write(`\r${progress.within(columnsOf(stream))}\u001b[K`)
  }
  const notice = (text: string, isFault = false): void => {
    stream.write(`\r\u001b[K${isFault ? highlighted(text, stream) : text}\n`)
    if (isShown) draw()
  }
  return {
    notice,
    observe: (event) => {
      progress.observe(event)
      if (event.kind === 'started') isShown = true
      if (isShown && now() - shownMs >= BAR_EVERY_MS) draw()
    },
    close: () => {
      if (!isShown) return
      draw()
      stream.write('\n')
      isShown = false
    },
  }
}

function plainDisplay(stream: NodeJS.WriteStream, now: () => number): ProgressDisplay {
  const progress = new ProgressLine()
  let shownMs = -Infinity
  const notice = (text: string, isFault = false): void => {
    stream.write(`${isFault ? highlighted(text, stream) : text}\n`)
  }
  return {
    notice,
    observe: (event) => {
      progress.observe(event)
      if (event.kind !== 'step' || now() - shownMs < PLAIN_EVERY_MS) return
      shownMs = now()
      notice(progress.plain())
    },
    close: () => undefined,
  }
}
