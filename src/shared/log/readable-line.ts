import type { LogLevel } from './log-levels.js'
import type { LogRecord } from './log.js'
import { printable } from './printable.js'

const SIGNS: Readonly<Record<LogLevel, string>> = { error: '✖ ', warn: '⚠ ', info: '', debug: '· ' }

/** One line for a terminal. Errors and warnings begin with a sign; debug lines show their module and fields. */
export function readableLine({ level, module, worker, message, fields }: LogRecord): string {
  const origin = worker === undefined ? '' : `${worker}: `
  if (level !== 'debug') return printable(`${SIGNS[level]}${origin}${message}`)
  const details = Object.entries(fields ?? {}).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  return printable(`${SIGNS.debug}${origin}${module}: ${message}${details.join('')}`)
}
