import path from 'node:path'
import { isMissing } from '../shared/path-access.js'
import type { Disk } from './disk.js'
import { realDisk } from './disk.js'

const NAME = /^(\d{8,})\.journal$/

/** A segment of a run's journal: the steps from its base step on. */
export interface ListedSegment {
  readonly file: string
  readonly baseStep: number
  readonly bytes: number
}

/** Where a run keeps its journal. */
export function journalIn(runDirectory: string): string {
  return path.join(runDirectory, 'journal')
}

/** The path of the segment that begins after so many steps. The names sort by step. */
export function segmentAt(runDirectory: string, baseStep: number): string {
  return path.join(journalIn(runDirectory), `${String(baseStep).padStart(8, '0')}.journal`)
}

/** The segments of a run, the earliest first. @throws the system's error when they cannot be listed */
export function listSegments(runDirectory: string, disk: Disk = realDisk): ListedSegment[] {
  const root = journalIn(runDirectory)
  let names: string[]
  try {
    names = disk.readdirSync(root)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
  return names
    .flatMap((name) => {
      const step = NAME.exec(name)?.[1]
      const file = path.join(root, name)
      // A running coordinator may have removed it meanwhile.
      const bytes = disk.statSync(file, { throwIfNoEntry: false })?.size
      return step === undefined || bytes === undefined ? [] : [{ file, baseStep: Number(step), bytes }]
    })
    .sort((a, b) => a.baseStep - b.baseStep)
}

/** Removes the segments that no checkpoint from this step on needs. */
export function pruneSegments(runDirectory: string, oldestStep: number, disk: Disk = realDisk): void {
  for (const { file, baseStep } of listSegments(runDirectory, disk))
    if (baseStep < oldestStep) disk.rmSync(file, { force: true })
}

/** Removes all segments: a checkpoint has everything that is in them. */
export function removeJournal(runDirectory: string, disk: Disk): void {
  disk.rmSync(journalIn(runDirectory), { recursive: true, force: true })
}
