import os from 'node:os'
import { standardError, standardOutput } from '../shared/terminal.js'

/** What ends a process unless it is caught, save for those that a fault of the process itself raises. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR2', 'SIGALRM', 'SIGXCPU', 'SIGPWR'] as const
/** What people send again when they have no more patience. The others may come in twos by themselves. */
const IMPATIENT: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGQUIT']

/**
 * First signal that asks for an end: `stop`. A second SIGINT, SIGTERM or SIGQUIT after one of these ends the process at once, status 130.
 *
 * SIGHUP says that a terminal is gone. Where neither output was one, such as under nohup, nothing is lost with it and the process goes on:
 * `goOn`. (Node forgets at its start that nohup had the signal ignored, so the outputs have to tell.)
 * @returns takes the handlers away again
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
