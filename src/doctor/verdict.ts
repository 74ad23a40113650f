/** The outcome of one check. */
export interface Verdict {
  readonly check: string
  readonly ok: boolean
  /** What was found. */
  readonly found: string
  /** What to do about it; only when something is wrong. */
  readonly remedy?: string
}

export function healthy(check: string, found: string): Verdict {
  return { check, ok: true, found }
}

export function wrong(check: string, found: string, remedy: string): Verdict {
  return { check, ok: false, found, remedy }
}
