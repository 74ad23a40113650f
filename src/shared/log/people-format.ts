import type { LogLevel } from './log-levels.js'
import type { LogRecord } from './log.js'
import { printable } from './printable.js'

const SIGNS: Readonly<Record<LogLevel, string>> = { error: '✖ ', warn: '⚠ ', info: '', debug: '· ' }

/** One line for a terminal: what is news stands bare, what is wrong has a sign, and a debugger's line its module and fields. */
export function forPeople({ level, module, worker, message, fields }: LogRecord): string {
  const who = worker === undefined ? '' : `${worker}: `
  if (level !== 'debug') return printable(`${SIGNS[level]}${who}${message}`)
  const details = Object.entries(fields ?? {}).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  return printable(`${SIGNS.debug}${who}${module}: ${message}${details.join('')}`)
}
