import fs from 'node:fs'
import { promisify } from 'node:util'

const write = promisify(fs.write)
const datasync = promisify(fs.fdatasync)
const truncate = promisify(fs.ftruncate)

/** Records waiting for a slow or full disk; beyond this they are lost. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024
/** Time after a failed write until the next attempt. */
const RETRY_MS = 1_000

export interface ReportFileOptions {
  /** Time in which records are collected to be written together. */
  readonly flushMs: number
  /** Keep what the file has, and write behind it. @default false */
  readonly append?: boolean
  readonly onLost: LossObserver
}

/** Called when a write fails: 0 records while they wait in memory for the next attempt, otherwise the number that is lost. */
export type LossObserver = (records: number, reason: Error) => void

/**
 * A file that grows by whole records. A killed process leaves at most the last record incomplete. While a disk is full, records wait in
 * memory, and none in the file is incomplete: the next record that fits overwrites a cut-off one.
 */
export class ReportFile {
  readonly #descriptor: number
  readonly #options: ReportFileOptions
  /** End of the complete records. */
  #end = 0
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #timer: NodeJS.Timeout | undefined
  #flushed: Promise<unknown> = Promise.resolve()
  #hasFailed = false

  /** @throws Error of the file system when the file cannot be made */
  constructor(file: string, options: ReportFileOptions) {
    this.#descriptor = fs.openSync(file, options.append ? fs.constants.O_RDWR | fs.constants.O_CREAT : 'w', 0o666)
    this.#end = fs.fstatSync(this.#descriptor).size
    this.#options = options
  }

  append(record: Uint8Array): void {
    if (this.#waitingBytes + record.length > MAX_WAITING_BYTES) {
      this.#fail(1, new Error('the disk does not answer'))
      return
    }
    this.#waiting.push(record)
    this.#waitingBytes += record.length
    this.#flushAfter(this.#options.flushMs)
  }

  /** Settles when every record so far is on the disk, unless a write failed. */
  async sync(): Promise<void> {
    this.#flushed = this.#flushed.then(() => this.#flush())
    await this.#flushed
    try {
      await datasync(this.#descriptor)
    } catch (error) {
      this.#fail(0, error as Error)
    }
  }

  /** Settles when every record is written or counted as lost. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#flushed
    const reason = await this.#flush()
    clearTimeout(this.#timer)
    if (reason) this.#fail(this.#waiting.length, reason)
    try {
      if (this.#hasFailed) fs.ftruncateSync(this.#descriptor, this.#end)
    } catch {
      // The last record stays incomplete.
    }
    fs.closeSync(this.#descriptor)
  }

  #flushAfter(milliseconds: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#flushed = this.#flushed.then(() => this.#flush())
    }, milliseconds)
  }

  /** Keeps the records that cannot be written. @returns the reason why some cannot be; undefined: all are written */
  async #flush(): Promise<Error | undefined> {
    const records = this.#waiting
    const bytes = Buffer.concat(records)
    this.#waiting = []
    let done = 0
    try {
      while (done < bytes.length) {
        const { bytesWritten } = await write(this.#descriptor, bytes, done, bytes.length - done, this.#end + done)
        done += bytesWritten
      }
      this.#written(bytes.length)
      return undefined
    } catch (error) {
      const whole = wholeRecords(records, done)
      this.#written(whole.bytes)
      this.#waiting = [...records.slice(whole.count), ...this.#waiting]
      this.#fail(0, error as Error)
      // A shorter record in its place would leave the end of it behind.
      await truncate(this.#descriptor, this.#end).catch(() => undefined)
      this.#flushAfter(RETRY_MS)
      return error as Error
    }
  }

  #written(bytes: number): void {
    this.#end += bytes
    this.#waitingBytes -= bytes
  }

  #fail(lost: number, reason: Error): void {
    this.#hasFailed = true
    this.#options.onLost(lost, reason)
  }
}

/** The records that lie wholly in the first `written` bytes. */
function wholeRecords(records: readonly Uint8Array[], written: number): { count: number; bytes: number } {
  let count = 0
  let bytes = 0
  for (; count < records.length && bytes + records[count]!.length <= written; count++) bytes += records[count]!.length
  return { count, bytes }
}
