import os from 'node:os'
import type { Supervised } from '../launch/supervision/supervised.js'
import { standardError, standardOutput } from '../shared/terminal.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR2', 'SIGALRM', 'SIGXCPU', 'SIGPWR'] as const
/** Signals that end a process by default, except those raised by a fault of the process itself. Not every system has all of them. */
export const STOP_SIGNALS: readonly NodeJS.Signals[] = SIGNALS.filter((signal) => signal in os.constants.signals)
/** Signals that a user repeats to stop at once. The others may arrive twice without intention. */
const IMPATIENT: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGQUIT']

/**
 * Calls `stop` on the first signal. A second SIGINT, SIGTERM or SIGQUIT after one of these ends the process at once, with status 130.
 *
 * SIGHUP means that the terminal was closed. If neither output is a terminal, as under nohup, the process can continue: `goOn` is called.
 * (nohup ignores the signal for its child, but Node resets that at its start. So the outputs decide.)
 * @param supervised passes on the signals that only the supervisor received
 * @returns a function that removes the handlers
 */
export function onStopSignals(
  stop: (signal: NodeJS.Signals) => void,
  goOn: (signal: NodeJS.Signals) => void = () => undefined,
  supervised?: Pick<Supervised, 'onSignal'>,
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
  const counts = new SignalCounts(handle)
  for (const signal of STOP_SIGNALS) process.on(signal, counts.received)
  const before = supervised?.onSignal
  if (supervised) supervised.onSignal = counts.passedOn
  return () => {
    for (const signal of STOP_SIGNALS) process.off(signal, counts.received)
    if (supervised) supervised.onSignal = before!
  }
}

/** Tells a signal that both this process and its supervisor received, such as Ctrl-C at a terminal, from a second one. */
class SignalCounts {
  readonly #handle: (signal: NodeJS.Signals) => void
  readonly #received = new Map<NodeJS.Signals, number>()
  readonly #handled = new Map<NodeJS.Signals, number>()

  constructor(handle: (signal: NodeJS.Signals) => void) {
    this.#handle = handle
  }

  readonly received = (signal: NodeJS.Signals): void => {
    const count = (this.#received.get(signal) ?? 0) + 1
    this.#received.set(signal, count)
    this.passedOn(signal, count)
  }

  /** @param count of the signals of this kind that the supervisor received */
  readonly passedOn = (signal: NodeJS.Signals, count: number): void => {
    if (count <= (this.#handled.get(signal) ?? 0)) return
    this.#handled.set(signal, count)
    this.#handle(signal)
  }
}
