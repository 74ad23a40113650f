import os from 'node:os'
import path from 'node:path'
import protobuf from 'protobufjs'
import { packageRoot } from '../../../shared/package-root.js'
import type { LossObserver } from '../../page/report-file.js'
import { ReportFile } from '../../page/report-file.js'
import { maskedCrc32c } from './crc32c.js'
import type { Histogram } from './histogram.js'

/** Which part of TensorBoard shows a value, and what beside it. */
export interface PluginData {
  readonly pluginName: 'scalars' | 'images' | 'text' | 'hparams'
  /** A message of the plugin; none: its defaults. */
  readonly content?: Uint8Array
}

/** What a tag has at a step. */
export type SummaryValue = {
  readonly tag: string
  /** Markdown; counts at the tag's first value. */
  readonly description?: string
} & (
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
  | { readonly tensor: Tensor; readonly plugin: PluginData }
)

/** TensorProto of proto/tensorboard.proto. */
export interface Tensor {
  readonly dtype: number
  readonly tensorShape: { readonly dim: readonly { readonly size: number }[] }
  readonly stringVal?: readonly Uint8Array[]
}

/** DataClass of proto/tensorboard.proto. */
const SCALAR = 1
const TENSOR = 2
const BLOBS = 3
/** DataType of proto/tensorboard.proto. */
const DT_FLOAT = 1
const DT_STRING = 7

/** For a plugin that reads nothing but its content. */
export const NO_TENSOR: Tensor = { dtype: DT_FLOAT, tensorShape: { dim: [{ size: 0 }] } }

/** A text, in Markdown. */
export function textTensor(text: string): Tensor {
  // No dimension: of a vector a table would be shown, with the text in a cell.
  return { dtype: DT_STRING, tensorShape: { dim: [] }, stringVal: [Buffer.from(text)] }
}

/** Encoded images of one size, `[width, height, image, …]`. */
export function imagesTensor(width: number, height: number, images: readonly Uint8Array[]): Tensor {
  const strings = [Buffer.from(`${width}`), Buffer.from(`${height}`), ...images]
  return { dtype: DT_STRING, tensorShape: { dim: [{ size: strings.length }] }, stringVal: strings }
}

/** A message of proto/tensorboard.proto. */
export function tensorboardType(name: string): protobuf.Type {
  return protobuf.loadSync(path.join(packageRoot, 'proto', 'tensorboard.proto')).lookupType(`tensorflow.${name}`)
}

const FLUSH_MS = 1_000
const VERSION = 'brain.Event:2'
/** Length and its checksum before the data, the data's checksum behind it. */
export const HEADER_BYTES = 12
export const TRAILER_BYTES = 4

/** A TensorBoard event file: `Event` messages as records of TFRecord. What is added is in the file about a second later. */
export class EventFile {
  readonly #file: ReportFile
  readonly #event: protobuf.Type
  readonly #wallSeconds: () => number
  /** Tags that have a value. */
  readonly #tags = new Set<string>()

  /** @param wallSeconds since 1970 @throws Error of the file system when the file cannot be made */
  constructor(directory: string, wallSeconds: () => number, onLost: LossObserver) {
    // TensorBoard knows the file by its name, and orders several by the time in it.
    const name = `events.out.tfevents.${Math.floor(wallSeconds())}.${os.hostname()}.${process.pid}`
    this.#file = new ReportFile(path.join(directory, name), { flushMs: FLUSH_MS, onLost })
    this.#event = tensorboardType('Event')
    this.#wallSeconds = wallSeconds
    this.#append({ fileVersion: VERSION })
  }

  /** @param step steps applied so far */
  add(step: number, values: readonly SummaryValue[]): void {
    this.#append({ step, summary: { value: values.map((value) => this.#withMetadata(value)) } })
  }

  /** Everything so far is on the disk when this settles. */
  async sync(): Promise<void> {
    return this.#file.sync()
  }

  /** Everything is in the file when this settles. */
  async close(): Promise<void> {
    return this.#file.close()
  }

  #withMetadata(value: SummaryValue): object {
    if (this.#tags.has(value.tag)) return value
    this.#tags.add(value.tag)
    const { description, ...rest } = value
    const shown = classOf(value)
    // TensorBoard finds the plugin for a histogram itself. Metadata without a plugin would confuse it.
    return shown === undefined ? rest : { ...rest, metadata: { summaryDescription: description, ...shown } }
  }

  #append(event: object): void {
    this.#file.append(record(this.#event.encode({ wallTime: this.#wallSeconds(), ...event }).finish()))
  }
}

/** The plugin and class of a tag, which its first value states for all. */
function classOf(value: SummaryValue): { readonly pluginData: PluginData; readonly dataClass: number } | undefined {
  if ('simpleValue' in value) return { pluginData: { pluginName: 'scalars' }, dataClass: SCALAR }
  if ('image' in value) return { pluginData: { pluginName: 'images' }, dataClass: BLOBS }
  if (!('plugin' in value)) return undefined
  return { pluginData: value.plugin, dataClass: value.plugin.pluginName === 'images' ? BLOBS : TENSOR }
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
