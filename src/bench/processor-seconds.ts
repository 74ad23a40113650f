import { readFileSync } from 'node:fs'

/** Unit of times in /proc/<pid>/stat. */
const TICKS_PER_SECOND = 100

/** Processor time that a process has used so far, in seconds. @throws Error when it has ended, or where there is no /proc */
export function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}
