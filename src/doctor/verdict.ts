import { ConvoyError } from '../shared/errors.js'

/** The outcome of one check. */
export interface Verdict {
  readonly check: string
  readonly ok: boolean
  /** What was found. */
  readonly found: string
  /** How to fix it; only for a failed check. */
  readonly remedy?: string
}

export function healthy(check: string, found: string): Verdict {
  return { check, ok: true, found }
}

/** Runs a check; an error that it throws becomes its verdict. */
export async function examined(check: string, work: () => Verdict | Promise<Verdict>): Promise<Verdict> {
  try {
    return await work()
  } catch (error) {
    return wrong(
      check,
      ConvoyError.from(error).message,
      'set CONVOY_CACHE to a directory that this user may read and write',
    )
  }
}

export function wrong(check: string, found: string, remedy: string): Verdict {
  return { check, ok: false, found, remedy }
}
