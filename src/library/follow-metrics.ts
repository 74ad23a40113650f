import { statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { MetricsLine } from '../reporting/sinks/metrics-line.js'
import { metricsLineSchema } from '../reporting/sinks/metrics-line.js'

const POLL_MS = 20
const READ_BYTES = 1 << 20
const NEWLINE = 0x0a

interface Read {
  readonly lines: readonly MetricsLine[]
  /** Whether there are no more bytes at present. */
  readonly isAtEnd: boolean
}

const NOTHING: Read = { lines: [], isAtEnd: true }

/** A run that may still be written. */
export interface FollowedRun {
  /** undefined: it has none yet. */
  readonly runDirectory: () => string | undefined
  /** Settles when nothing more is written. */
  readonly ended: Promise<unknown>
}

/** The lines of a run's metrics.jsonl: those that are there, and then each as it is written, until the run has ended. */
export async function* followMetrics({ runDirectory, ended }: FollowedRun): AsyncGenerator<MetricsLine> {
  let isOver = false
  const over = ended.then(() => {
    isOver = true
  })
  const reader = new MetricsReader()
  for (;;) {
    const wasOver = isOver
    const directory = runDirectory()
    const { lines, isAtEnd } =
      directory === undefined ? NOTHING : await reader.read(path.join(directory, 'metrics.jsonl'))
    yield* lines
    if (!isAtEnd) continue
    if (wasOver) return
    await Promise.race([delay(POLL_MS), over])
  }
}

/** The lines of metrics.jsonl so far. A last line that was cut off is left out. */
export async function* readMetricsLines(directory: string): AsyncGenerator<MetricsLine> {
  yield* followMetrics({ runDirectory: () => directory, ended: Promise.resolve() })
}

/** Reads a file that grows. A coordinator that is restarted puts another one in its place: then the lines after the last one that was read. */
class MetricsReader {
  /** For all reads. */
  readonly #block = Buffer.alloc(READ_BYTES)
  #inode = 0
  #offset = 0
  #rest: Buffer = Buffer.alloc(0)
  #lastSeconds = 0
  /** The last line of the file before. */
  #readSeconds = 0

  /** @returns the lines of the next bytes */
  async read(file: string): Promise<Read> {
    // Fifty times a second: a file is opened only when there is something to read.
    const there = statSync(file, { throwIfNoEntry: false })
    if (there === undefined || (there.ino === this.#inode && there.size === this.#offset)) return NOTHING
    const handle = await open(file).catch(() => undefined)
    if (handle === undefined) return NOTHING
    try {
      const { ino } = await handle.stat()
      if (ino !== this.#inode) this.#begin(ino)
      const { bytesRead } = await handle.read(this.#block, 0, READ_BYTES, this.#offset)
      this.#offset += bytesRead
      return { lines: this.#whole(this.#block.subarray(0, bytesRead)), isAtEnd: bytesRead === 0 }
    } finally {
      await handle.close()
    }
  }

  /** Whole lines, so that no character is cut. */
  #whole(bytes: Buffer): MetricsLine[] {
    const end = bytes.lastIndexOf(NEWLINE) + 1
    if (end === 0) {
      this.#rest = Buffer.concat([this.#rest, bytes])
      return []
    }
    const text = Buffer.concat([this.#rest, bytes.subarray(0, end - 1)]).toString()
    this.#rest = Buffer.from(bytes.subarray(end))
    const lines = text.split('\n').map((line) => metricsLineSchema.parse(JSON.parse(line)))
    const unread = lines.filter(({ time }) => time > this.#readSeconds)
    this.#lastSeconds = unread.at(-1)?.time ?? this.#lastSeconds
    return unread
  }

  #begin(inode: number): void {
    this.#inode = inode
    this.#offset = 0
    this.#rest = Buffer.alloc(0)
    this.#readSeconds = this.#lastSeconds
  }
}
