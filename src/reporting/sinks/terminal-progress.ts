import type { Terminal } from '../../shared/terminal.js'
import type { RunObserver } from '../../training/run-events.js'
import { ProgressLine } from './progress-line.js'

/** Where progress is shown. */
export interface ProgressDisplay {
  readonly observe: RunObserver
  /** A line of its own, above the bar where there is one; what the log tells people. Faults stand out. */
  printLine(text: string, isFault?: boolean): void
  close(): void
}

const PLAIN_EVERY_MS = 10_000
const BAR_EVERY_MS = 125

/** A bar on a terminal, plain lines elsewhere; all on that one (standard output belongs to results). */
export function createProgressDisplay(terminal: Terminal, now: () => number): ProgressDisplay {
  return terminal.canRedraw ? barDisplay(terminal, now) : plainDisplay(terminal, now)
}

function barDisplay(terminal: Terminal, now: () => number): ProgressDisplay {
  const progress = new ProgressLine()
  let isShown = false
  let shownMs = -Infinity
  const draw = (): void => {
    shownMs = now()
    terminal.redraw(progress.within(terminal.columns))
  }
  const printLine = (text: string, isFault = false): void => {
    terminal.printLineOver(text, isFault)
    if (isShown) draw()
  }
  return {
    printLine,
    observe: (event) => {
      progress.observe(event)
      if (event.kind === 'started') isShown = true
      if (isShown && now() - shownMs >= BAR_EVERY_MS) draw()
    },
    close: () => {
      if (!isShown) return
      draw()
      terminal.print('\n')
      isShown = false
    },
  }
}

function plainDisplay(terminal: Terminal, now: () => number): ProgressDisplay {
  const progress = new ProgressLine()
  let shownMs = -Infinity
  return {
    printLine: (text, isFault) => {
      terminal.printLine(text, isFault)
    },
    observe: (event) => {
      progress.observe(event)
      if (event.kind !== 'step' || now() - shownMs < PLAIN_EVERY_MS) return
      shownMs = now()
      terminal.printLine(progress.plain())
    },
    close: () => undefined,
  }
}
