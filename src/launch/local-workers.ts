import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Logger } from '../shared/log/log.js'
import { RotatingFile } from '../shared/log/rotating-file.js'
import { packageRoot } from '../shared/package-root.js'
import { counted } from '../shared/units.js'
import type { ProcessEnd } from './memory-watch.js'
import { MemoryWatch } from './memory-watch.js'

export interface LocalWorkersOptions {
  readonly count: number
  /** `host:port` that the workers join. */
  readonly address: string
  /** Each worker's output goes to `worker-<n>.log` there. */
  readonly logDirectory: string
  /** Environment of worker `index` (0 …), such as its GPU. */
  readonly environment: (index: number) => NodeJS.ProcessEnv
  /** Device of the workers. */
  readonly device: string
  /** Called when every worker has ended and none will be restarted; with the last one's reason. */
  readonly onNoneLeft: (why: string) => void
  /** `--log-level` of the workers, for their own log files. */
  readonly logLevel: string
  readonly log: Logger
  /** Of the coordinator; undefined: this process. */
  readonly coordinatorPid?: (() => number | undefined) | undefined
  /** How often a worker process is restarted at most. @default 3 */
  readonly maxRestarts?: number
  /** @default 1000 */
  readonly restartAfterMs?: number
}

/**
 * Garbage is collected on the thread that makes it. Vectors of megabytes that live for milliseconds keep V8's four helpers busy
 * for 1 % of a core each, in turns with the computation; on one thread the same work costs a twentieth (docs/experiments/engine.md).
 * The flag cannot be set from inside: bin/convoy.mjs and the deploy scripts name it too.
 */
export const V8_FLAGS = ['--single-threaded-gc']

/**
 * By default, glibc returns freed blocks above 32 MB to the system, and a new block costs three times the copy into it: for the
 * 45 MB of resnet18's gradient, 13 ms of a step (docs/experiments/engine.md). These variables keep the blocks. Values that the
 * environment already has take precedence.
 */
export const KEEP_FREED_MEMORY = {
  MALLOC_MMAP_THRESHOLD_: String(2 ** 30),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 32),
  MALLOC_TOP_PAD_: String(2 ** 26),
  MALLOC_ARENA_MAX: '1',
}

const MAX_RESTARTS = 3
const RESTART_AFTER_MS = 1_000
const CLOSE_AFTER_MS = 5_000

/** Longest time from the start of a worker to its join. Loading TensorFlow takes seconds; more on a busy machine or with a GPU. */
export const MAX_START_MS = 60_000

/** Size of a worker's log file. A full file is kept until the next one is full too. */
const MAX_LOG_BYTES = 16 * 1024 * 1024
const MAX_LOG_FILES = 2

/** Characters of a worker's output that are kept to explain its end. Node prints a native stack after the reason. */
const MAX_LAST_WORDS = 8_000

/** oom_score_adj: added to the share of memory that a process holds, in thousandths; the maximum is 1000. */
const KILLED_FIRST = '500'

/** Worker processes on this machine, started again when they die. */
export class LocalWorkers {
  readonly #options: LocalWorkersOptions
  readonly #files: readonly RotatingFile[]
  readonly #children = new Map<number, ChildProcess>()
  readonly #startedMs = new Map<ChildProcess, number>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #memory: MemoryWatch
  /** Causes whose details were logged already. */
  readonly #loggedCauses = new Set<string>()
  #closed = false

  constructor(options: LocalWorkersOptions) {
    this.#options = options
    const { count, logDirectory, log } = options
    this.#files = Array.from({ length: count }, (_, index) => {
      const base = path.join(logDirectory, `worker-${index}`)
      return new RotatingFile(base, MAX_LOG_BYTES, MAX_LOG_FILES, ({ message }) => {
        log.warn(`Some lines could not be written to worker-${index}.log: ${message}.`)
      })
    })
    this.#memory = new MemoryWatch(() => this.pids, options.coordinatorPid)
    for (let index = 0; index < count; index++) this.#start(index, 0)
  }

  /** Process ids of the workers that run now, in the order of their starts. */
  get pids(): number[] {
    return [...this.#children.values()].flatMap((child) => child.pid ?? [])
  }

  /** Number of workers that will be restarted shortly or have been running for less than {@link MAX_START_MS}. */
  starting(): number {
    const nowMs = performance.now()
    const young = [...this.#children.values()].filter((child) => nowMs - this.#startedMs.get(child)! < MAX_START_MS)
    return young.length + this.#timers.size
  }

  /** Waits until all workers have ended, and kills those that do not end in time. Call it after the end of the run was announced to them. */
  async close(): Promise<void> {
    this.#closed = true
    this.#memory.close()
    for (const timer of this.#timers) clearTimeout(timer)
    await Promise.all(
      [...this.#children.values()].map(async (child) => {
        const killer = setTimeout(() => child.kill('SIGKILL'), CLOSE_AFTER_MS)
        // At `close` the output has been read to its end. Workers that ended before are not in #children.
        await new Promise((resolve) => child.once('close', resolve))
        clearTimeout(killer)
      }),
    )
    for (const file of this.#files) file.end()
  }

  #start(index: number, restarts: number): void {
    const child = this.#spawn(index)
    let lastWords = ''
    const keep = (text: Buffer): void => {
      this.#files[index]!.write(text)
      lastWords = (lastWords + text.toString()).slice(-MAX_LAST_WORDS)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    this.#children.set(index, child)
    this.#startedMs.set(child, performance.now())
    preferForKill(child.pid)
    child.on('error', (error) => {
      this.#options.log.error(`Worker ${index} cannot be started: ${error.message}.`)
    })
    child.on('close', (status, signal) => {
      this.#children.delete(index)
      this.#startedMs.delete(child)
      if (!this.#closed && status !== 0) this.#ended(index, restarts, { status, signal, output: lastWords })
    })
  }

  #spawn(index: number): ChildProcessWithoutNullStreams {
    const { address, device, environment, logLevel } = this.#options
    const name = `${os.hostname()}-${index}`
    const program = [...V8_FLAGS, path.join(packageRoot, 'bin', 'convoy.mjs')]
    const flags = ['--join', address, '--name', name, '--device', device, '--log-level', logLevel, '--supervised']
    return spawn(process.execPath, [...program, 'worker', ...flags], {
      env: { ...KEEP_FREED_MEMORY, ...environment(index) },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  }

  /** Logs how a worker ended, and restarts it unless it ended too often. */
  #ended(index: number, restarts: number, end: ProcessEnd): void {
    const { log, onNoneLeft, maxRestarts = MAX_RESTARTS } = this.#options
    const { status, signal, output } = end
    const how = signal === null ? `with status ${status}` : `by ${signal}`
    const memory = this.#memory.explain(end)
    const words = memory?.cause ?? lastLineOf(output, signal)
    const again = restarts < maxRestarts
    const next = again ? 'restarting it' : `exited ${counted(restarts + 1, 'time')}; not restarted`
    const isNew = memory !== undefined && !this.#loggedCauses.has(memory.cause)
    if (isNew) this.#loggedCauses.add(memory.cause)
    const details = isNew ? ` ${memory.details}` : ''
    log.warn(`Worker ${index} ended ${how}${words ? ` (${words})` : ''}; ${next}.${details}`, { index, status, signal })
    if (again) this.#restartLater(index, restarts + 1)
    else if (this.#children.size === 0 && this.#timers.size === 0)
      onNoneLeft(
        memory ? `the last one ended ${how} (${words}). ${memory.details}` : words || `the last one ended ${how}.`,
      )
  }

  #restartLater(index: number, restarts: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#start(index, restarts)
    }, this.#options.restartAfterMs ?? RESTART_AFTER_MS)
    this.#timers.add(timer)
  }
}

/**
 * Makes the kernel kill a worker first when memory is short. Otherwise it kills the largest process, which may be the coordinator: the run
 * would end without an explanation. A killed worker is restarted.
 */
function preferForKill(pid: number | undefined): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, KILLED_FIRST)
  } catch {
    // The process has ended, or this system has no such file. Then the kernel decides.
  }
}

/** The error line of the output, rather than the last line of a stack; empty when the process was killed. */
function lastLineOf(output: string, signal: NodeJS.Signals | null): string {
  const lines = output.trim().split('\n')
  const lastLine = signal === null ? lines.at(-1)! : ''
  return (lines.findLast((line) => line.startsWith('✖ ')) ?? lastLine).replace(/^✖ /, '')
}
