/**
 * Reasons for rejecting a result.
 * - stale: its shards were counted before, or its lease was taken back
 * - audited: another result of the same block was right
 * - abandoned: its task was abandoned
 * - malformed: it is no vector of the expected length
 * - not_finite, absurd: it has a value that no correct computation gives
 */
export const REJECTION_CODES = ['stale', 'malformed', 'not_finite', 'absurd', 'audited', 'abandoned'] as const
export type RejectionCode = (typeof REJECTION_CODES)[number]

export interface Rejection {
  readonly code: RejectionCode
  /** For people: a few words. */
  readonly reason: string
}

const EXPECTED: ReadonlySet<RejectionCode | undefined> = new Set(['stale', 'audited', 'abandoned'] as const)

/** Whether such rejections happen in any run, because another result of the same shards counted. */
export function isExpectedRejection(code: RejectionCode | undefined): boolean {
  return EXPECTED.has(code)
}

/** Whether the rejection means that the training diverged. */
export function isBadValue(code: RejectionCode | undefined): boolean {
  return code === 'not_finite' || code === 'absurd'
}
