import { readdirSync, readFileSync } from 'node:fs'

/** Memory and descriptors of a process at a moment. */
export interface Usage {
  /** Resident memory. */
  readonly bytes: number
  readonly descriptors: number
}

export function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const bytes = 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1])
  return { bytes, descriptors: readdirSync(`/proc/${pid}/fd`).length }
}

export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`
}
