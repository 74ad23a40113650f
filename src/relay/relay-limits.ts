import type { SchedulerLimits } from '../scheduler/limits.js'
import { DEFAULT_LIMITS } from '../scheduler/limits.js'

/**
 * The coordinator decides what becomes of a block that fails, and asks others. So the relay gives up earlier than a coordinator, and its
 * workers are not kept from work for long meanwhile.
 */
export const RELAY_LIMITS: SchedulerLimits = {
  ...DEFAULT_LIMITS,
  failuresPerShard: 3,
  longestQuarantineMs: DEFAULT_LIMITS.quarantineMs,
}
