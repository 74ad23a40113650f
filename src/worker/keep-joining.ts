import { setTimeout as delay } from 'node:timers/promises'
import { ConvoyError } from '../shared/errors.js'

export interface KeepJoiningOptions {
  /** One membership. @returns why it ended: no other one follows */
  readonly join: () => Promise<string>
  /** Whether joining again cannot help any more, whatever the error. */
  readonly isBroken: () => boolean
  /** How long to keep trying to reach a coordinator that does not answer, or not any more. */
  readonly patienceMs: number
  /** Fires when no other membership must follow. */
  readonly leaveSignal: AbortSignal
  readonly warn: (text: string) => void
}

const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 2_000
/** A coordinator that was restarted is back after two to five seconds: until then, retries are closer together. */
const SOON_MS = 10_000
const MAX_RETRY_SOON_MS = 400

/**
 * Joins again whenever the connection breaks.
 * @returns why the last membership ended
 * @throws ConvoyError('unavailable') when no coordinator answered for `patienceMs`; the error of a membership that another one cannot solve
 */
export async function keepJoining({
  join,
  isBroken,
  patienceMs,
  leaveSignal,
  warn,
}: KeepJoiningOptions): Promise<string> {
  let retryMs = FIRST_RETRY_MS
  let silentSinceMs = performance.now()
  while (!leaveSignal.aborted) {
    const startedMs = performance.now()
    try {
      return await join()
    } catch (thrown) {
      const error = ConvoyError.from(thrown)
      if ((error.code !== 'unavailable' && error.code !== 'protocol') || isBroken()) throw error
      if (leaveSignal.aborted) return 'left'
      const now = performance.now()
      // A session that lasted resets the patience; a join that fails does not.
      if (now - startedMs > MAX_RETRY_MS * 3) {
        silentSinceMs = now
        retryMs = FIRST_RETRY_MS
      }
      if (now - silentSinceMs > patienceMs) throw error
      if (retryMs === FIRST_RETRY_MS) warn(`${error.message} Trying again for ${Math.round(patienceMs / 1000)} s.`)
    }
    await delay(retryMs, undefined, { signal: leaveSignal }).catch(() => undefined)
    const isSoon = performance.now() - silentSinceMs < SOON_MS
    retryMs = Math.min(isSoon ? MAX_RETRY_SOON_MS : MAX_RETRY_MS, retryMs * 2)
  }
  return 'left'
}
