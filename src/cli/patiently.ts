import { standardError } from '../shared/terminal.js'

/** After this time the command prints what it waits for. */
const QUIET_MS = 1_000

/** Waits, and prints a line when that takes a while. */
export async function patiently<Value>(waiting: string, awaited: Promise<Value>): Promise<Value> {
  const timer = setTimeout(() => {
    standardError.printLine(waiting)
  }, QUIET_MS)
  try {
    return await awaited
  } finally {
    clearTimeout(timer)
  }
}
