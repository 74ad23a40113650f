import os from 'node:os'
import path from 'node:path'
import protobuf from 'protobufjs'
import { packageRoot } from '../../../shared/package-root.js'
import type { LossObserver } from '../report-file.js'
import { ReportFile } from '../report-file.js'
import { maskedCrc32c } from './crc32c.js'
import type { Histogram } from './histogram.js'

/** What a tag has at a step. */
export type SummaryValue = { readonly tag: string } & (
  | { readonly simpleValue: number }
  | { readonly histo: Histogram }
  | {
      readonly image: {
        readonly height: number
        readonly width: number
        readonly colorspace: number
        readonly encodedImageString: Uint8Array
      }
    }
)

const FLUSH_MS = 1_000
const VERSION = 'brain.Event:2'
/** Length and its checksum before the data, the data's checksum behind it. */
const HEADER_BYTES = 12
const TRAILER_BYTES = 4

/** A TensorBoard event file: `Event` messages as records of TFRecord. What is added is in the file about a second later. */
export class EventFile {
  readonly #file: ReportFile
  readonly #event: protobuf.Type
  readonly #wallSeconds: () => number

  /** @param wallSeconds since 1970 @throws Error of the file system when the file cannot be made */
  constructor(directory: string, wallSeconds: () => number, onLost: LossObserver) {
    // TensorBoard knows the file by its name, and orders several by the time in it.
    const name = `events.out.tfevents.${Math.floor(wallSeconds())}.${os.hostname()}.${process.pid}`
    this.#file = new ReportFile(path.join(directory, name), { flushMs: FLUSH_MS, onLost })
    this.#event = protobuf.loadSync(path.join(packageRoot, 'proto', 'tensorboard.proto')).lookupType('tensorflow.Event')
    this.#wallSeconds = wallSeconds
    this.#append({ fileVersion: VERSION })
  }

  /** @param step steps applied so far */
  add(step: number, values: readonly SummaryValue[]): void {
    this.#append({ step, summary: { value: values } })
  }

  /** Everything is in the file when this settles. */
  async close(): Promise<void> {
    return this.#file.close()
  }

  #append(event: object): void {
    this.#file.append(record(this.#event.encode({ wallTime: this.#wallSeconds(), ...event }).finish()))
  }
}

/** A record of TFRecord: length (uint64), its masked CRC-32C, the data, their masked CRC-32C; little-endian. */
function record(data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + data.length + TRAILER_BYTES)
  bytes.writeUInt32LE(data.length)
  bytes.writeUInt32LE(maskedCrc32c(bytes.subarray(0, 8)), 8)
  bytes.set(data, HEADER_BYTES)
  bytes.writeUInt32LE(maskedCrc32c(data), HEADER_BYTES + data.length)
  return bytes
}
