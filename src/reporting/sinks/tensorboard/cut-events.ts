import fs from 'node:fs'
import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { HEADER_BYTES, tensorboardType, TRAILER_BYTES } from './event-file.js'

/** An event, as far as it decides whether it stays. */
export interface RecordedEvent {
  readonly step: number
  readonly tags: readonly string[]
}

/**
 * Removes events from the event files of a directory, and what a crash left of a last one.
 * @param keeps whether an event stays
 * @returns the highest step that stays
 */
export function cutEvents(directory: string, keeps: (event: RecordedEvent) => boolean): number {
  let highest = 0
  const names = fs.existsSync(directory) ? fs.readdirSync(directory) : []
  const type = tensorboardType('Event')
  for (const name of names.filter((found) => found.startsWith('events.out.tfevents.'))) {
    const file = path.join(directory, name)
    const bytes = fs.readFileSync(file)
    const kept = recordsOf(bytes).filter((record) => {
      const event = type.toObject(type.decode(record.subarray(HEADER_BYTES, -TRAILER_BYTES)), { longs: Number }) as {
        step?: number
        summary?: { value?: { tag: string }[] }
      }
      const { step = 0 } = event
      const isKept = keeps({ step, tags: event.summary?.value?.map(({ tag }) => tag) ?? [] })
      if (isKept) highest = Math.max(highest, step)
      return isKept
    })
    const length = kept.reduce((sum, record) => sum + record.length, 0)
    if (length !== bytes.length) writeFileAtomic.sync(file, Buffer.concat(kept))
  }
  return highest
}

/** The whole records, head and tail included. */
function recordsOf(bytes: Buffer): Buffer[] {
  const records: Buffer[] = []
  for (let begin = 0; begin + HEADER_BYTES <= bytes.length;) {
    const end = begin + HEADER_BYTES + Number(bytes.readBigUInt64LE(begin)) + TRAILER_BYTES
    if (end > bytes.length) break
    records.push(bytes.subarray(begin, end))
    begin = end
  }
  return records
}
