import type { Logger } from '../shared/log/log.js'
import { RateLimit } from '../shared/log/rate-limit.js'
import type { CallObserver } from '../coordinator/services/time-calls.js'

/** What calls end with when workers come, go, and lose their connection: the scheduler tells of it. */
const USUAL = ['OK', 'CANCELLED', 'ABORTED', 'UNAVAILABLE', 'NOT_FOUND', 'UNIMPLEMENTED']
/** Anybody who reaches the listener can make a call that is refused. */
const BURST = 16
const PER_SECOND = 0.2

/** Logs calls that are over: refused ones as warnings, as many as one may want to read; all of them for debugging. */
export function callLog({ warn, debug }: Logger): CallObserver {
  const limit = new RateLimit(BURST, PER_SECOND)
  let leftOut = 0
  return (method, code, seconds, details) => {
    if (USUAL.includes(code)) {
      debug(`${method} ended: ${code}`, { method, code, seconds })
    } else if (limit.take(Date.now())) {
      const others = leftOut > 0 ? ` (and ${leftOut} others before)` : ''
      warn(`${method} was refused: ${details.slice(0, 500) || code}${others}`, { method, code, seconds, leftOut })
      leftOut = 0
    } else leftOut++
  }
}
