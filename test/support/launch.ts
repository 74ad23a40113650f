import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { packageRoot } from '../../src/shared/package-root.js'

export type Json = Record<string, unknown>

/** coordinator.json */
export interface Announcement {
  readonly pid: number
  readonly address: string
  readonly adminAddress: string
  readonly metrics: string
  readonly runDirectory: string
}

const POLL_MS = 50
const PATIENCE_MS = 120_000

/** Running launches, and those whose run directories still exist. */
const launches = new Set<Launch>()

/** For `after`, so that a failed test leaves no processes or runs behind. */
export function killLaunches(): void {
  for (const launch of launches) launch.kill()
  for (const launch of launches) launch.remove()
}

/** One `convoy …` process of a test, with a directory for its runs. */
export class Launch {
  readonly child: ChildProcess
  readonly runsDirectory: string
  stdout = ''
  stderr = ''
  readonly #ended: Promise<number | null>

  /**
   * @param keep leaves the runs to {@link remove} when the process ends
   * @param node the binary that runs it
   * @param runsDirectory where the runs go
   */
  constructor(
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
    keep = false,
    node = process.execPath,
    runsDirectory = mkdtempSync(path.join(os.tmpdir(), 'convoy-test-')),
  ) {
    this.runsDirectory = runsDirectory
    const runsDir = args[0] === 'train' || args[0] === 'coordinator' ? ['--runs-dir', this.runsDirectory] : []
    this.child = spawn(node, [path.join(packageRoot, 'bin', 'convoy.mjs'), ...args, ...runsDir], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout!.on('data', (text: Buffer) => (this.stdout += text.toString()))
    this.child.stderr!.on('data', (text: Buffer) => (this.stderr += text.toString()))
    launches.add(this)
    this.#ended = new Promise((resolve) => {
      this.child.once('close', (status) => {
        if (!keep) this.remove()
        resolve(status)
      })
    })
  }

  /** Exit status; null after a signal. */
  async status(): Promise<number | null> {
    return this.#ended
  }

  /** The result printed by `--json` at the end. */
  async result(): Promise<Json> {
    const status = await this.#ended
    if (status !== 0) throw new Error(`convoy ended with status ${status}:\n${this.stderr}`)
    return JSON.parse(this.stdout) as Json
  }

  remove(): void {
    // A process that was just killed may still write.
    launches.delete(this)
    rmSync(this.runsDirectory, { recursive: true, force: true, maxRetries: 5 })
  }

  terminate(): void {
    this.child.kill('SIGTERM')
  }

  /** SIGKILL, also to the coordinator of `convoy train`, which would end by itself a little later. */
  kill(): void {
    const coordinators = this.#children('train')
    this.child.kill('SIGKILL')
    for (const pid of coordinators) killIfThere(pid)
  }

  /** Waits for a line of metrics.jsonl. */
  async untilMetrics(wanted: (line: Json) => boolean): Promise<Json> {
    return this.#until(async () => (await this.metrics()).find(wanted))
  }

  /** The lines of metrics.jsonl so far. */
  async metrics(): Promise<Json[]> {
    const text = (await this.#read('metrics.jsonl')) ?? ''
    const whole = text.split('\n').slice(0, -1)
    return whole.map((line) => JSON.parse(line) as Json)
  }

  /** Waits for a text on standard error. */
  async untilStderr(wanted: RegExp): Promise<string> {
    return this.#until(async () => wanted.exec(this.stderr)?.[0])
  }

  /** Waits for a text on standard output. */
  async untilStdout(wanted: RegExp): Promise<string> {
    return this.#until(async () => wanted.exec(this.stdout)?.[0])
  }

  async announcement(): Promise<Announcement> {
    const text = await this.#until(() => this.#read('coordinator.json'))
    return JSON.parse(text) as Announcement
  }

  /** Process ids of the workers that `convoy train` started. */
  workerPids(): number[] {
    return this.#children('worker')
  }

  /** Process ids of children that run this command. It also has others, such as flock. */
  #children(command: string): number[] {
    const children = readIfThere(`/proc/${this.child.pid}/task/${this.child.pid}/children`)
    const pids = children.trim().split(/\s+/).filter(Boolean).map(Number)
    return pids.filter((pid) => readIfThere(`/proc/${pid}/cmdline`).includes(`convoy.mjs\0${command}\0`))
  }

  async #read(file: string): Promise<string | undefined> {
    const [run] = await readdir(this.runsDirectory).catch(() => [])
    if (run === undefined) return undefined
    return readFile(path.join(this.runsDirectory, run, file), 'utf8').catch(() => undefined)
  }

  async #until<Value>(poll: () => Promise<Value | undefined>): Promise<Value> {
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      const value = await poll()
      if (value !== undefined) return value
      if (this.child.exitCode !== null)
        throw new Error(`convoy ended with status ${this.child.exitCode}:\n${this.stderr}`)
      if (performance.now() > deadline) throw new Error(`waited ${PATIENCE_MS / 1000} s in vain:\n${this.stderr}`)
      await delay(POLL_MS)
    }
  }
}

/** @returns an empty text when the process has ended */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
