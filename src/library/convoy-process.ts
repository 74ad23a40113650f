import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { MetricsLine } from '../reporting/sinks/metrics-line.js'
import { metricsLineSchema } from '../reporting/sinks/metrics-line.js'
import { ConvoyError } from '../shared/errors.js'
import { packageRoot } from '../shared/package-root.js'
import { standardError } from '../shared/terminal.js'

const POLL_MS = 20
const READ_BYTES = 1 << 20
/** Of standard error, for the message of a failure. */
const KEPT_CHARACTERS = 10_000

/** `convoy train …` in a process of its own. */
export class ConvoyProcess {
  readonly #runsDirectory: string
  readonly #child
  readonly #ended: Promise<number | null>
  #stderr = ''

  /** @param args of `convoy`, `--runs-dir` with an empty directory among them @param isShown whether its lines go to standard error */
  constructor(args: readonly string[], runsDirectory: string, isShown: boolean) {
    this.#runsDirectory = runsDirectory
    const program = path.join(packageRoot, 'bin', 'convoy.mjs')
    this.#child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child.stderr.on('data', (text: Buffer) => {
      if (isShown) standardError.print(text.toString())
      this.#stderr = (this.#stderr + text.toString()).slice(-KEPT_CHARACTERS)
    })
    this.#ended = once(this.#child, 'close').then(([status]) => status as number | null)
  }

  /** Ends it; settles when it has. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.#ended
  }

  /** @returns undefined before the run has one */
  runDirectory(): string | undefined {
    const [name] = readdirSync(this.#runsDirectory)
    return name === undefined ? undefined : path.join(this.#runsDirectory, name)
  }

  /** The lines of metrics.jsonl as they are written, to the end of the process. @throws ConvoyError with its last message if it fails */
  async *events(): AsyncGenerator<MetricsLine> {
    let isOver = false
    const ended = this.#ended.then(() => {
      isOver = true
    })
    let rest = ''
    let offset = 0
    for (;;) {
      const wasOver = isOver
      const text = await this.#read(offset)
      offset += Buffer.byteLength(text)
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) yield metricsLineSchema.parse(JSON.parse(line))
      if (text !== '') continue
      if (wasOver) break
      await Promise.race([delay(POLL_MS), ended])
    }
    const status = await this.#ended
    if (status === 0) return
    const reason = this.#stderr.split('\n').findLast((line) => line.startsWith('✖ '))
    throw new ConvoyError(
      status === 2 ? 'usage' : 'training',
      reason?.slice(2) ?? `The training ended with status ${status}: ${this.#stderr}`,
    )
  }

  /** What metrics.jsonl has behind this place. Whole lines at the end of the run, so that no character is cut. */
  async #read(offset: number): Promise<string> {
    const run = this.runDirectory()
    if (run === undefined) return ''
    const file = await open(path.join(run, 'metrics.jsonl')).catch(() => undefined)
    if (file === undefined) return ''
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, offset)
      const read = buffer.subarray(0, bytesRead)
      return read.subarray(0, read.lastIndexOf('\n') + 1).toString()
    } finally {
      await file.close()
    }
  }
}
