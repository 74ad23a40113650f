/**
 * Why a result does not count.
 * - stale: its shards were counted before, or its lease was taken back
 * - audited: another result of the same block was right
 * - abandoned: its task was given up
 * - malformed: it is no vector of the wanted length
 * - not_finite, absurd: it has a value that no computation gives
 */
export const REJECTION_CODES = ['stale', 'malformed', 'not_finite', 'absurd', 'audited', 'abandoned'] as const
export type RejectionCode = (typeof REJECTION_CODES)[number]

export interface Rejection {
  readonly code: RejectionCode
  /** For people: a few words. */
  readonly reason: string
}

const EXPECTED: ReadonlySet<RejectionCode | undefined> = new Set(['stale', 'audited', 'abandoned'] as const)

/** Whether results are rejected so in any run: another one of the same shards counted. */
export function isExpectedRejection(code: RejectionCode | undefined): boolean {
  return EXPECTED.has(code)
}

/** Whether the value says that the training diverged. */
export function isBadValue(code: RejectionCode | undefined): boolean {
  return code === 'not_finite' || code === 'absurd'
}
