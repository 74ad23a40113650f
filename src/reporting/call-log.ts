import type { Logger } from '../shared/log/log.js'
import { RateLimit } from '../shared/log/rate-limit.js'
import type { CallObserver } from '../coordinator/services/time-calls.js'

/** Status codes of calls that end because workers join, leave or lose their connection. The scheduler logs those. */
const USUAL = ['OK', 'CANCELLED', 'ABORTED', 'UNAVAILABLE', 'NOT_FOUND', 'UNIMPLEMENTED']
/** Limits on logged rejections: any peer can make a call that is rejected. */
const BURST = 16
const PER_SECOND = 0.2

/** Logs calls when they end: rejected ones as warnings, at a limited rate; the others for debugging. */
export function callLog({ warn, debug }: Logger): CallObserver {
  const limit = new RateLimit(BURST, PER_SECOND)
  let leftOut = 0
  return (method, code, seconds, details) => {
    if (USUAL.includes(code)) {
      debug(`${method} ended: ${code}`, { method, code, seconds })
    } else if (limit.take(Date.now())) {
      const others = leftOut > 0 ? ` (and ${leftOut} others before)` : ''
      warn(`${method} was rejected: ${details.slice(0, 500) || code}${others}`, { method, code, seconds, leftOut })
      leftOut = 0
    } else leftOut++
  }
}
