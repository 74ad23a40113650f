import { ConvoyError } from '../errors.js'

/**
 * - error: something is lost: a worker, a run
 * - warn: something went wrong, and the run goes on
 * - info: what people want to know of a run
 * - debug: every lease, every call
 */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/**
 * Parts of Convoy whose level can be set alone.
 * - run: beginning, evaluations, end
 * - scheduler: workers come and go, shards are given out again
 * - grpc: calls of workers and of `convoy status`
 * - process: worker processes that `convoy train` starts
 * - worker: a worker's connection
 * - compute: a worker's computing thread
 */
export const LOG_MODULES = ['run', 'scheduler', 'grpc', 'process', 'worker', 'compute'] as const
export type LogModule = (typeof LOG_MODULES)[number]

/** The least urgent level that is written, for each module. */
export type LogLevels = Readonly<Record<LogModule, LogLevel>>

/** Whether `level` is at least as urgent as `least`. */
export function isUrgent(level: LogLevel, least: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(least)
}

/**
 * Reads `info`, or `info,scheduler=debug,grpc=warn`: one level for all modules, and others for some. Without the former it is info.
 * @throws ConvoyError('usage') for levels and modules that do not exist or come twice
 */
export function parseLogLevels(text: string): LogLevels {
  const wrong = (why: string): ConvoyError =>
    new ConvoyError(
      'usage',
      `There ${why}. Levels are ${LOG_LEVELS.join(', ')}; modules ${LOG_MODULES.join(', ')}; such as info,scheduler=debug.`,
    )
  const given = new Map<LogModule | 'all', LogLevel>()
  for (const part of text.split(',')) {
    const [left, right, ...rest] = part.split('=').map((word) => word.trim())
    const target = right === undefined ? 'all' : LOG_MODULES.find((module) => module === left)
    const word = right ?? left
    const level = LOG_LEVELS.find((candidate) => candidate === word)
    if (target === undefined) throw wrong(`is no module "${left}"`)
    if (level === undefined || rest.length > 0) throw wrong(`is no level "${[word, ...rest].join('=')}"`)
    if (given.has(target)) throw wrong(`are two levels for ${target === 'all' ? 'all modules' : target}`)
    given.set(target, level)
  }
  const all = given.get('all') ?? 'info'
  return Object.fromEntries(LOG_MODULES.map((module) => [module, given.get(module) ?? all])) as LogLevels
}
