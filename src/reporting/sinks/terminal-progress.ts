import type { Terminal } from '../../shared/terminal.js'
import type { RunObserver } from '../../training/run-events.js'
import type { RunProgress } from '../run-progress.js'
import { ProgressLine } from './progress-line.js'

/** Where progress is shown. */
export interface ProgressDisplay {
  readonly observe: RunObserver
  /** Prints a line of the log, above the bar if there is one. Faults are highlighted. */
  printLine(text: string, isFault?: boolean): void
  close(): void
}

const PLAIN_EVERY_MS = 10_000
const BAR_EVERY_MS = 125

/** A bar on a terminal, plain lines elsewhere. @param progress must be updated before each `observe` */
export function createProgressDisplay(terminal: Terminal, progress: RunProgress, now: () => number): ProgressDisplay {
  const line = new ProgressLine(progress)
  return terminal.canRedraw ? barDisplay(terminal, line, now) : plainDisplay(terminal, line, now)
}

function barDisplay(terminal: Terminal, line: ProgressLine, now: () => number): ProgressDisplay {
  let isShown = false
  let shownMs = -Infinity
  const draw = (): void => {
    shownMs = now()
    terminal.redraw(line.within(terminal.columns))
  }
  const printLine = (text: string, isFault = false): void => {
    terminal.printLineOver(text, isFault)
    if (isShown) draw()
  }
  return {
    printLine,
    observe: (event) => {
      line.observe(event)
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

function plainDisplay(terminal: Terminal, line: ProgressLine, now: () => number): ProgressDisplay {
  let shownMs = -Infinity
  return {
    printLine: (text, isFault) => {
      terminal.printLine(text, isFault)
    },
    observe: (event) => {
      line.observe(event)
      if (event.kind !== 'step' || now() - shownMs < PLAIN_EVERY_MS) return
      shownMs = now()
      terminal.printLine(line.plain())
    },
    close: () => undefined,
  }
}
