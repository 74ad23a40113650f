/** Why a result does not count. */
export const REJECTION_CODES = ['stale', 'malformed', 'not_finite', 'absurd', 'audited', 'abandoned'] as const
export type RejectionCode = (typeof REJECTION_CODES)[number]

const BAD_VALUE_REMEDY =
  'From several workers: lower the learning rate or clip the gradient; from one alone: check its machine.'

/** One sentence each, for docs/reference/errors.md. */
export const REJECTION_TEXTS: Readonly<Record<RejectionCode, { readonly meaning: string; readonly remedy: string }>> = {
  stale: {
    meaning: 'Its shards were counted before, or its lease was taken back.',
    remedy: 'None is needed: another worker was faster.',
  },
  malformed: {
    meaning: 'It is not a vector of the expected length.',
    remedy: 'Check the network and the version of the worker that `convoy.log` names.',
  },
  not_finite: { meaning: 'It has a value that is NaN or infinite.', remedy: BAD_VALUE_REMEDY },
  absurd: {
    meaning: 'It has a value that no computation gives: its magnitude is above 1e18.',
    remedy: BAD_VALUE_REMEDY,
  },
  audited: {
    meaning: 'An audit chose another result of the same block.',
    remedy: 'None is needed, unless `convoy.log` reports a mismatch of the audit.',
  },
  abandoned: {
    meaning: 'The task that it belongs to was given up.',
    remedy: 'None is needed: the message about the task has the reason.',
  },
}

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
