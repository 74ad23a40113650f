import path from 'node:path'
import { bytesOf } from '../shared/bytes-of.js'
import type { EvaluationResult } from '../training/run-events.js'
import type { Disk, OpenFile } from './disk.js'
import type { FrameKind, SegmentHeader } from './journal-format.js'
import { CRC_BYTES, crcOf, encodeFrameHead, encodeHeader } from './journal-format.js'
import type { StepDetails } from './segment-reader.js'
import { writeEveryNumber } from './every-number.js'
import { syncDirectory } from './write-checkpoint.js'

/** Appends frames to one segment of the journal. One append at a time. */
export class SegmentWriter {
  readonly #handle: OpenFile
  /** Sync every frame to the disk. */
  readonly #syncs: boolean
  #bytes: number

  private constructor(handle: OpenFile, syncs: boolean, bytes: number) {
    this.#handle = handle
    this.#syncs = syncs
    this.#bytes = bytes
  }

  /** Makes a segment; one of that name is replaced. @throws the system's error */
  static async create(file: string, header: SegmentHeader, syncs: boolean, disk: Disk): Promise<SegmentWriter> {
    const writer = new SegmentWriter(await disk.open(file, 'w'), syncs, 0)
    try {
      await writer.#write([encodeHeader(header)])
      if (syncs) {
        await writer.#handle.datasync()
        syncDirectory(path.dirname(file), disk)
      }
      return writer
    } catch (error) {
      await writer.#handle.close()
      throw error
    }
  }

  /** Goes on with a segment after its last whole frame, without syncs. @param bytes where that ends @throws the system's error */
  static async reopen(file: string, bytes: number, disk: Disk): Promise<SegmentWriter> {
    const handle = await disk.open(file, 'r+')
    try {
      await handle.truncate(bytes)
    } catch (error) {
      await handle.close()
      throw error
    }
    return new SegmentWriter(handle, false, bytes)
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * Appends a step; the vector may change again when this settles.
   * @param step steps applied before it
   * @throws the system's error; the frame is cut off then, and nothing may be appended any more
   */
  async appendStep(step: number, details: StepDetails, vector: Float32Array): Promise<void> {
    const json = Buffer.from(JSON.stringify(details))
    const length = Buffer.alloc(4)
    length.writeUInt32LE(json.length)
    await this.#append('step', step, [length, json, bytesOf(vector)])
  }

  /** Appends the validation of the weights after a step. @throws as {@link appendStep} */
  async appendValidation(result: EvaluationResult): Promise<void> {
    await this.#append('validation', result.step, [Buffer.from(JSON.stringify(result, writeEveryNumber))])
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  async #append(kind: FrameKind, step: number, payload: readonly Buffer[]): Promise<void> {
    const begin = this.#bytes
    try {
      await this.#appendFrame(kind, step, payload)
    } catch (error) {
      // Half a frame would take room that others need on a full disk.
      await this.#handle.truncate(begin).catch(() => undefined)
      throw error
    }
  }

  async #appendFrame(kind: FrameKind, step: number, payload: readonly Buffer[]): Promise<void> {
    const payloadBytes = payload.reduce((sum, { length }) => sum + length, 0)
    const pieces = [encodeFrameHead(kind, step, payloadBytes), ...payload]
    const written = this.#write(pieces)
    // Computed while the system writes.
    const crc = Buffer.alloc(CRC_BYTES)
    crc.writeUInt32LE(crcOf(...pieces))
    await written
    await this.#write([crc])
    if (this.#syncs) await this.#handle.datasync()
  }

  async #write(pieces: readonly Buffer[]): Promise<void> {
    const { bytesWritten } = await this.#handle.writev(pieces, this.#bytes)
    this.#bytes += bytesWritten
    const total = pieces.reduce((sum, { length }) => sum + length, 0)
    if (bytesWritten === total) return
    // A full disk or a quota takes a part; the rest says why. System calls also write less than 2 GiB at once.
    const rest = Buffer.concat(pieces).subarray(bytesWritten)
    for (let done = 0; done < rest.length;) {
      const { bytesWritten: more } = await this.#handle.writev([rest.subarray(done)], this.#bytes)
      done += more
      this.#bytes += more
    }
  }
}
