import { ConvoyError } from '../errors.js'

/**
 * - error: something is lost: a worker, a run
 * - warn: something went wrong, and the run continues
 * - info: progress of the run
 * - debug: every lease, every call
 */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/**
 * Modules of Convoy whose level can be set separately.
 * - run: beginning, evaluations, end
 * - scheduler: workers join and leave, shards are reissued
 * - grpc: calls of workers and of `convoy status`
 * - process: worker processes that `convoy train` starts
 * - worker: a worker's connection
 * - compute: a worker's computing thread
 */
export const LOG_MODULES = ['run', 'scheduler', 'grpc', 'process', 'worker', 'compute'] as const
export type LogModule = (typeof LOG_MODULES)[number]

/** The least urgent level that is logged, for each module. */
export type LogLevels = Readonly<Record<LogModule, LogLevel>>

/** Whether `level` is at least as urgent as `least`. */
export function isAtLeast(level: LogLevel, least: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(least)
}

/**
 * Reads `info`, or `info,scheduler=debug,grpc=warn`: one level for all modules (default: info), and levels of single modules.
 * @throws ConvoyError('usage') for unknown or repeated levels and modules
 */
export function parseLogLevels(text: string): LogLevels {
  const wrong = (problem: string): ConvoyError =>
    new ConvoyError(
      'usage',
      `${problem}. Levels: ${LOG_LEVELS.join(', ')}. Modules: ${LOG_MODULES.join(', ')}. Example: info,scheduler=debug.`,
    )
  const given = new Map<LogModule | 'all', LogLevel>()
  for (const part of text.split(',')) {
    const [left, right, ...rest] = part.split('=').map((word) => word.trim())
    const target = right === undefined ? 'all' : LOG_MODULES.find((module) => module === left)
    const word = right ?? left
    const level = LOG_LEVELS.find((candidate) => candidate === word)
    if (target === undefined) throw wrong(`Unknown module "${left}"`)
    if (level === undefined || rest.length > 0) throw wrong(`Unknown level "${[word, ...rest].join('=')}"`)
    if (given.has(target)) throw wrong(`Two levels for ${target === 'all' ? 'all modules' : target}`)
    given.set(target, level)
  }
  const all = given.get('all') ?? 'info'
  return Object.fromEntries(LOG_MODULES.map((module) => [module, given.get(module) ?? all])) as LogLevels
}
