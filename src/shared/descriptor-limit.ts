import { readFileSync } from 'node:fs'

/** The usual soft limit, for systems that do not report theirs. */
const USUAL_LIMIT = 1_024

/** Files and connections that this process may have open at once. */
export function descriptorLimit(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return limit === undefined ? Infinity : Number(limit)
  } catch {
    return USUAL_LIMIT
  }
}
