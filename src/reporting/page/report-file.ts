import fs from 'node:fs'
import { promisify } from 'node:util'

const write = promisify(fs.write)
const datasync = promisify(fs.fdatasync)
const truncate = promisify(fs.ftruncate)

/** Records waiting for a slow disk; beyond this they are lost. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024

export interface ReportFileOptions {
  /** Time in which records are collected to be written together. */
  readonly flushMs: number
  /** Keep what the file has, and write behind it. @default false */
  readonly append?: boolean
  readonly onLost: LossObserver
}

/** Called for records that are lost, such as to a full disk. */
export type LossObserver = (records: number, reason: Error) => void

/**
 * A file that grows by whole records. A killed process leaves at most the last record incomplete. A full disk loses records but leaves none
 * incomplete: the next record that fits overwrites a cut-off one.
 */
export class ReportFile {
  readonly #descriptor: number
  readonly #options: ReportFileOptions
  /** End of the complete records. */
  #end = 0
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #timer: NodeJS.Timeout | undefined
  #flushed: Promise<void> = Promise.resolve()
  #hasLost = false

  /** @throws Error of the file system when the file cannot be made */
  constructor(file: string, options: ReportFileOptions) {
    this.#descriptor = fs.openSync(file, options.append ? fs.constants.O_RDWR | fs.constants.O_CREAT : 'w', 0o666)
    this.#end = fs.fstatSync(this.#descriptor).size
    this.#options = options
  }

  append(record: Uint8Array): void {
    if (this.#waitingBytes + record.length > MAX_WAITING_BYTES) {
      this.#lose(1, new Error('the disk does not answer'))
      return
    }
    this.#waiting.push(record)
    this.#waitingBytes += record.length
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#flushed = this.#flushed.then(() => this.#flush())
    }, this.#options.flushMs)
  }

  /** Settles when every record so far is on the disk or counted as lost. */
  async sync(): Promise<void> {
    this.#flushed = this.#flushed.then(() => this.#flush())
    await this.#flushed
    try {
      await datasync(this.#descriptor)
    } catch (error) {
      this.#lose(0, error as Error)
    }
  }

  /** Settles when every record is written or counted as lost. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#flushed
    await this.#flush()
    try {
      if (this.#hasLost) fs.ftruncateSync(this.#descriptor, this.#end)
    } catch {
      // The last record stays incomplete.
    }
    fs.closeSync(this.#descriptor)
  }

  async #flush(): Promise<void> {
    const records = this.#waiting
    const bytes = Buffer.concat(records)
    this.#waiting = []
    try {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await write(this.#descriptor, bytes, done, bytes.length - done, this.#end + done)
        done += bytesWritten
      }
      this.#end += bytes.length
    } catch (error) {
      this.#lose(records.length, error as Error)
      // A shorter record in its place would leave the end of it behind.
      await truncate(this.#descriptor, this.#end).catch(() => undefined)
    } finally {
      this.#waitingBytes -= bytes.length
    }
  }

  #lose(records: number, reason: Error): void {
    this.#hasLost = true
    this.#options.onLost(records, reason)
  }
}
