import { z } from 'zod'
import { ConvoyError } from '../shared/errors.js'
import { cannotBeRead } from '../shared/path-access.js'
import { bytesOf } from '../shared/bytes-of.js'
import type { EvaluationResult } from '../training/run-events.js'
import type { Disk } from './disk.js'
import { realDisk } from './disk.js'
import type { SegmentHeader } from './journal-format.js'
import { CRC_BYTES, crcOf, decodeFrameHead, decodeHeader, FRAME_HEAD_BYTES, HEADER_BYTES } from './journal-format.js'
import { evaluationSchema } from './stored-evaluation.js'

const milliseconds = z.number().min(0)
const detailsSchema = z.strictObject({
  /** From its first lease to its reduced gradient. */
  waitMs: milliseconds,
  reduceMs: milliseconds,
  workers: z.int().min(0),
})
/** How a step was computed, for its event when it is replayed. */
export type StepDetails = Readonly<z.output<typeof detailsSchema>>

export type JournalFrame =
  /** The vector is overwritten by the next step's. */
  | { readonly kind: 'step'; readonly step: number; readonly details: StepDetails; readonly vector: Float32Array }
  | { readonly kind: 'validation'; readonly step: number; readonly result: EvaluationResult }

/** Of a frame without its vector: 4,096 classes have a confusion matrix of 16 million counts. */
const MAX_JSON_BYTES = 256 * 2 ** 20

/** A segment of the journal, read frame by frame. */
export class SegmentReader {
  readonly header: SegmentHeader
  readonly #file: string
  readonly #disk: Disk
  readonly #descriptor: number
  readonly #vector: Float32Array
  /** End of the whole frames so far. */
  #end = HEADER_BYTES
  #cut: string | undefined

  /**
   * @param vectorLength floats of a step's vector in this run
   * @throws ConvoyError('data') when it cannot be read, or is a segment of another model
   */
  constructor(file: string, vectorLength: number, disk: Disk = realDisk) {
    this.#file = file
    this.#disk = disk
    try {
      this.#descriptor = disk.openSync(file, 'r')
    } catch (error) {
      throw cannotBeRead(file, error, 'data')
    }
    try {
      this.header = decodeHeader(this.#read(HEADER_BYTES, 0), file)
      if (this.header.vectorLength !== vectorLength)
        throw new ConvoyError(
          'data',
          `${file} has vectors of ${this.header.vectorLength} values, and this run's have ${vectorLength}.`,
        )
    } catch (error) {
      this.close()
      throw error
    }
    this.#vector = new Float32Array(vectorLength)
  }

  /** Where the whole frames end that were read so far. */
  get end(): number {
    return this.#end
  }

  /** Why the frames end before the file does; undefined: they do not. */
  get cut(): string | undefined {
    return this.#cut
  }

  close(): void {
    try {
      this.#disk.closeSync(this.#descriptor)
    } catch {
      // Nothing was written.
    }
  }

  /** The frames in order, up to the first that is not whole. @throws ConvoyError('data') when the file cannot be read */
  *frames(): Generator<JournalFrame> {
    const size = this.#size()
    while (this.#end < size) {
      const frame = this.#frame(size)
      if (frame === undefined) {
        this.#cut = `it is damaged or cut off at byte ${this.#end} of ${size}`
        return
      }
      yield frame
    }
  }

  #frame(size: number): JournalFrame | undefined {
    const headBytes = this.#read(FRAME_HEAD_BYTES, this.#end)
    const head = headBytes.length === FRAME_HEAD_BYTES ? decodeFrameHead(headBytes) : undefined
    if (head === undefined) return undefined
    const { kind, step, payloadBytes } = head
    const begin = this.#end + FRAME_HEAD_BYTES
    const vectorBytes = kind === 'step' ? this.#vector.byteLength : 0
    const jsonBytes = payloadBytes - vectorBytes
    if (jsonBytes < 0 || jsonBytes > MAX_JSON_BYTES || begin + payloadBytes + CRC_BYTES > size) return undefined
    const json = this.#read(jsonBytes, begin)
    const vector = bytesOf(this.#vector).subarray(0, vectorBytes)
    this.#fill(vector, begin + jsonBytes)
    const crc = this.#read(CRC_BYTES, begin + payloadBytes)
    if (crc.length !== CRC_BYTES || crc.readUInt32LE() !== crcOf(headBytes, json, vector)) return undefined
    const frame = kind === 'step' ? this.#stepFrame(step, json.subarray(4)) : validationFrame(step, json)
    if (frame !== undefined) this.#end = begin + payloadBytes + CRC_BYTES
    return frame
  }

  #stepFrame(step: number, json: Buffer): JournalFrame | undefined {
    const details = detailsSchema.safeParse(parsed(json)).data
    return details && { kind: 'step', step, details, vector: this.#vector }
  }

  #size(): number {
    try {
      return this.#disk.fstatSync(this.#descriptor).size
    } catch (error) {
      throw cannotBeRead(this.#file, error, 'data')
    }
  }

  #read(length: number, position: number): Buffer {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, this.#fill(bytes, position))
  }

  #fill(bytes: Buffer, position: number): number {
    let done = 0
    try {
      for (let got = -1; got !== 0 && done < bytes.length; done += got)
        got = this.#disk.readSync(
          this.#descriptor,
          bytes,
          done,
          Math.min(bytes.length - done, 2 ** 30),
          position + done,
        )
    } catch (error) {
      throw cannotBeRead(this.#file, error, 'data')
    }
    return done
  }
}

function validationFrame(step: number, json: Buffer): JournalFrame | undefined {
  const result = evaluationSchema.safeParse(parsed(json)).data
  return result && { kind: 'validation', step, result }
}

/** @returns undefined when it is no JSON */
function parsed(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString())
  } catch {
    return undefined
  }
}
