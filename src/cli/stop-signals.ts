import os from 'node:os'
import { standardError, standardOutput } from '../shared/terminal.js'

/** Signals that end a process by default, except those raised by a fault of the process itself. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR2', 'SIGALRM', 'SIGXCPU', 'SIGPWR'] as const
/** Signals that a user repeats to stop at once. The others may arrive twice without intention. */
const IMPATIENT: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGQUIT']

/**
 * Calls `stop` on the first signal. A second SIGINT, SIGTERM or SIGQUIT after one of these ends the process at once, with status 130.
 *
 * SIGHUP means that the terminal was closed. If neither output is a terminal, as under nohup, the process can continue: `goOn` is called.
 * (nohup ignores the signal for its child, but Node resets that at its start. So the outputs decide.)
 * @returns a function that removes the handlers
 */
export function onStopSignals(
  stop: (signal: NodeJS.Signals) => void,
  goOn: (signal: NodeJS.Signals) => void = () => undefined,
): () => void {
  const hasTerminal = standardOutput.isTerminal || standardError.isTerminal
  let asked = false
  let asksAgain = false
  const handle = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGHUP' && !hasTerminal) {
      goOn(signal)
      return
    }
    const isImpatient = IMPATIENT.includes(signal)
    if (isImpatient && asksAgain) process.exit(130)
    asksAgain ||= isImpatient
    if (asked) return
    asked = true
    stop(signal)
  }
  const signals = SIGNALS.filter((signal) => signal in os.constants.signals)
  for (const signal of signals) process.on(signal, handle)
  return () => {
    for (const signal of signals) process.off(signal, handle)
  }
}
