import type { LogLevel } from '../shared/log/log-levels.js'
import { isAtLeast, LOG_LEVELS } from '../shared/log/log-levels.js'
import type { LogRecord } from '../shared/log/log.js'
import type { LogLines } from '../shared/protocol/messages.js'
import { MAX_LOG_LINE_LENGTH, MAX_LOG_LINES } from '../shared/protocol/messages.js'

/** Keeps what a worker logs until it is sent to the coordinator: the first lines, for the cause is among them. */
export class LogRelay {
  readonly #now: () => number
  #records: LogRecord[] = []
  #leftOut = 0
  /** Sets the least urgent level to send: the coordinator states it in its answer to the join. */
  #level: LogLevel = 'info'

  /** @param now milliseconds since 1970 */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Only what the coordinator asked for is kept. */
  setLevel(asked: string): void {
    const level = LOG_LEVELS.find((known) => known === asked) ?? 'warn'
    this.#level = level
    this.#records = this.#records.filter((record) => isAtLeast(record.level, level))
  }

  readonly write = (record: LogRecord): void => {
    if (!isAtLeast(record.level, this.#level)) return
    if (this.#records.length < MAX_LOG_LINES) this.#records.push(record)
    else this.#leftOut++
  }

  /** Lines since the last call; undefined: none. */
  take(): LogLines | undefined {
    if (this.#records.length === 0) return undefined
    const lines = this.#records.map(({ timeMs, level, module, message }) => ({
      ...{ level, module, message: message.slice(0, MAX_LOG_LINE_LENGTH) },
      secondsAgo: Math.max(0, (this.#now() - timeMs) / 1000),
    }))
    const leftOut = this.#leftOut
    this.#records = []
    this.#leftOut = 0
    return { lines, leftOut }
  }
}
