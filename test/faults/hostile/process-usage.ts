import { readdirSync, readFileSync } from 'node:fs'

/** Memory and descriptors of a process at a moment. */
export interface Usage {
  /** Resident memory. */
  readonly bytes: number
  readonly descriptors: number
}

/** Unit of times in /proc/<pid>/stat. */
const TICKS_PER_SECOND = 100

export function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const bytes = 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1])
  return { bytes, descriptors: readdirSync(`/proc/${pid}/fd`).length }
}

/** Processor time that a process has used so far. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`
}
