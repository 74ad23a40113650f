import fs from 'node:fs'
import type { SegmentHeader } from '../../durability/journal-format.js'
import { CRC_BYTES, decodeFrameHead, FRAME_HEAD_BYTES, HEADER_BYTES } from '../../durability/journal-format.js'
import { SegmentReader } from '../../durability/segment-reader.js'
import type { ListedSegment } from '../../durability/segments.js'
import { ConvoyError } from '../../shared/errors.js'

/**
 * Result of reading every byte of a journal segment. Unfinished: the coordinator was killed in the middle of a frame, or is writing it; the
 * frames before it are used.
 */
export interface SegmentSoundness {
  readonly file: string
  readonly bytes: number
  readonly baseStep: number
  /** Whole steps, from the base step on. */
  readonly steps: number
  readonly state: 'whole' | 'unfinished' | 'damaged'
  /** null: it is whole. */
  readonly reason: string | null
}

export interface SegmentContext {
  /** Floats of a step's vector in this run; undefined: no checkpoint of it is whole. */
  readonly vectorLength: number | undefined
  /** Header of a segment that continues the checkpoint of the same step; undefined: that is gone or damaged. */
  readonly base: SegmentHeader | undefined
  /** It is the newest one: the end may be missing. */
  readonly mayBeUnfinished: boolean
  /** A coordinator is appending to it. */
  readonly isGrowing: boolean
}

/** The payload of a step begins with the length of its details. */
const DETAILS_LENGTH_BYTES = 4

/** Reads every byte of a segment. @throws errors that say nothing about the file, such as a lack of memory */
export function checkSegment(segment: ListedSegment, context: SegmentContext): SegmentSoundness {
  const { vectorLength, base, mayBeUnfinished, isGrowing } = context
  const { file, baseStep, bytes } = segment
  const result = (state: SegmentSoundness['state'], steps: number, reason: string | null): SegmentSoundness => {
    return { ...{ file, bytes, baseStep, steps }, state, reason }
  }
  if (mayBeUnfinished && bytes < HEADER_BYTES) return result('unfinished', 0, `${file} has no whole header yet.`)
  if (vectorLength === undefined)
    return result('damaged', 0, `${file} cannot be checked or used: no checkpoint of the run is whole.`)
  let reader: SegmentReader | undefined
  let steps = 0
  try {
    reader = new SegmentReader(file, vectorLength)
    if (!continues(reader.header, base ?? { ...reader.header, baseStep }))
      return result('damaged', 0, `${file} does not continue the checkpoint of step ${baseStep}; it is not used.`)
    for (const { kind, step } of reader.frames()) {
      if (step !== baseStep + steps)
        return result('damaged', steps, `${file} has a frame of step ${step} after step ${baseStep + steps}.`)
      if (kind === 'step') steps++
    }
    if (reader.cut === undefined) return result('whole', steps, null)
    const isUnfinished =
      isGrowing || (mayBeUnfinished && endsInFrame(segment, reader.end, baseStep + steps, vectorLength))
    return isUnfinished
      ? result('unfinished', steps, `${file} ends in the middle of a frame, after step ${baseStep + steps}.`)
      : result('damaged', steps, `${file}: ${reader.cut}, after step ${baseStep + steps}.`)
  } catch (error) {
    const { code, message } = ConvoyError.from(error)
    if (code !== 'data') throw error
    return result('damaged', steps, message)
  } finally {
    reader?.close()
  }
}

function continues(header: SegmentHeader, base: SegmentHeader): boolean {
  return (Object.keys(base) as (keyof SegmentHeader)[]).every((key) => header[key] === base[key])
}

/** Whether the bytes from there on are the beginning of the frame that belongs there. */
function endsInFrame({ file, bytes }: ListedSegment, at: number, step: number, vectorLength: number): boolean {
  const begin = bytesAt(file, at, FRAME_HEAD_BYTES + DETAILS_LENGTH_BYTES)
  if (begin.length < FRAME_HEAD_BYTES) return true
  const head = decodeFrameHead(begin)
  if (head?.step !== step || at + FRAME_HEAD_BYTES + head.payloadBytes + CRC_BYTES <= bytes) return false
  if (head.kind === 'validation' || begin.length < FRAME_HEAD_BYTES + DETAILS_LENGTH_BYTES) return true
  const detailsBytes = begin.readUInt32LE(FRAME_HEAD_BYTES)
  return head.payloadBytes === DETAILS_LENGTH_BYTES + detailsBytes + 4 * vectorLength
}

function bytesAt(file: string, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  const descriptor = fs.openSync(file, 'r')
  try {
    return bytes.subarray(0, fs.readSync(descriptor, bytes, 0, length, at))
  } finally {
    fs.closeSync(descriptor)
  }
}
