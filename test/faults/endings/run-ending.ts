import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { packageRoot } from '../../../src/shared/package-root.js'
import { shellWord } from '../../../src/shared/shell-word.js'
import type { TinyDataset } from '../../support/tiny-dataset.js'
import { Launch } from '../../support/launch.js'
import { killTerminals, PseudoTerminal } from '../../support/pseudo-terminal.js'
import { brokenPromises, linesOf, rescueFlags, statedGrace } from './contract.js'
import type { Condition, PlannedEnding } from './ending-plan.js'

export interface EndingOptions {
  readonly data: TinyDataset
  /** The output of `convoy train --help`. */
  readonly help: string
  /** Seconds that a run may take beyond its stated time. */
  readonly slackSeconds: number
}

export interface EndingOutcome {
  /** From the end of its work, or the signal, until the process had ended. */
  readonly seconds: number
  /** The time that the run states for this. */
  readonly statedSeconds: number
  /** Steps that it reported. */
  readonly steps: number
  readonly violations: readonly string[]
}

interface Announcement {
  readonly pid: number
  readonly address: string
  readonly adminAddress: string
  readonly metrics: string
}

const POLL_MS = 50
/** Time for set-up, training and evaluation on a busy machine. */
const MAX_WORK_MS = 240_000
const DISK_MIB = 32
/** An epoch has few steps, so that weights are announced often. */
const LAST_STEP = 25
const LISTEN = ['--listen', '--admin-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0'])

/** Redirections of each output in bash; `$out` and `$err` are files. */
const OUTPUTS: readonly [Condition | undefined, string][] = [
  ['standard output without a reader', '> >(exec true)'],
  ['standard output on a full disk', '>/dev/full'],
  [undefined, '>"$out"'],
]
const ERRORS: readonly [Condition | undefined, string][] = [
  ['standard error without a reader', '2> >(exec head -n 3 >"$err")'],
  ['standard error on a full disk', '2>/dev/full'],
  [undefined, '2>"$err"'],
]

/** One run from its start to its end, with the clean-up afterwards. */
class EndingRun {
  readonly #plan: PlannedEnding
  readonly #options: EndingOptions
  readonly #scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-ending-'))
  readonly #runs = path.join(this.#scratch, 'runs')
  readonly #out = path.join(this.#scratch, 'out')
  readonly #err = path.join(this.#scratch, 'err')
  readonly #environment: NodeJS.ProcessEnv
  readonly #sockets: Socket[] = []
  readonly #workers: Launch[] = []
  #child: ChildProcess | undefined
  #terminal: PseudoTerminal | undefined
  #filling: NodeJS.Timeout | undefined
  #place: Announcement | undefined
  #ownWorkers: number[] = []

  constructor(plan: PlannedEnding, options: EndingOptions) {
    this.#plan = plan
    this.#options = options
    const temporary = path.join(this.#scratch, 'tmp')
    for (const directory of [this.#runs, temporary]) mkdirSync(directory)
    this.#environment = { ...process.env, ...options.data.environment, TMPDIR: temporary }
    if (this.#has('a full disk') || this.#has('a disk that something else fills again and again'))
      run('mount', '-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'none', this.#runs)
  }

  async outcome(): Promise<EndingOutcome> {
    const { ending, isAfterFirstStep, afterSeconds } = this.#plan
    this.#start()
    await this.#until('its announcement', () => this.#announced())
    if (this.#plan.command === 'coordinator') {
      for (const name of ['a', 'b'])
        this.#workers.push(new Launch(['worker', '--join', this.#place!.address, '--name', name], this.#environment))
    }
    if (isAfterFirstStep) await this.#until('its first step', () => this.#steps() > 0)
    if (ending !== 'its last step') await delay(1000 * afterSeconds[0])
    for (const condition of this.#plan.conditions) await this.#impose(condition)
    await delay(1000 * afterSeconds[1])
    const early = !this.#isAlive() && ending !== 'its last step' ? [`it ended before the ${ending}`] : []
    this.#ownWorkers = childrenOf(this.#place!.pid)
    await this.#end()
    const beganMs = ending.startsWith('SIG') || ending === 'a terminal that vanishes' ? performance.now() : undefined
    const { seconds, statedSeconds, late } = await this.#gone(beganMs)
    const left = this.#ownWorkers.filter(isAlive)
    return {
      seconds,
      statedSeconds,
      steps: this.#steps(),
      violations: [
        ...early,
        ...late,
        ...(left.length > 0 && ending !== 'SIGKILL' ? [`${left.length} of its workers are still there`] : []),
        ...(await brokenPromises(this.#remains())),
      ],
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#filling)
    for (const socket of this.#sockets) socket.destroy()
    for (const worker of this.#workers) worker.kill()
    for (const pid of [...(this.#place ? [this.#place.pid] : []), ...this.#ownWorkers]) if (isAlive(pid)) kill(pid)
    this.#child?.kill('SIGKILL')
    if (this.#terminal) killTerminals()
    await Promise.all(this.#workers.map(async (worker) => worker.status()))
    spawnSync('umount', ['--lazy', this.#runs])
    rmSync(this.#scratch, { recursive: true, force: true, maxRetries: 5 })
  }

  #has(condition: Condition): boolean {
    return this.#plan.conditions.includes(condition)
  }

  #start(): void {
    const { command, ending } = this.#plan
    const { data, help } = this.#options
    const args = [command, '--recipe', 'quick', '--seed', '7', '--data', data.directory, '--epochs', '1000']
    args.push('--batch-size', '128', '--shard-size', '16', ...LISTEN, '--runs-dir', this.#runs)
    args.push(...(command === 'train' ? ['--workers', '2'] : []))
    args.push(...(ending === 'its last step' ? ['--max-steps', `${LAST_STEP}`] : []))
    args.push(...rescueFlags(help, path.join(this.#scratch, 'rescue')))
    if (ending === 'a terminal that vanishes') {
      this.#terminal = new PseudoTerminal(args, 200, 40, this.#environment)
      return
    }
    const convoy = [process.execPath, path.join(packageRoot, 'bin', 'convoy.mjs'), ...args].map(shellWord).join(' ')
    const place = (places: typeof OUTPUTS): string => places.find(([when]) => when === undefined || this.#has(when))![1]
    const prefix = this.#has('SIGHUP without a terminal') ? 'nohup' : ''
    this.#child = spawn('bash', ['-c', `exec ${prefix} ${convoy} ${place(OUTPUTS)} ${place(ERRORS)} </dev/null`], {
      env: { ...this.#environment, out: this.#out, err: this.#err },
      stdio: 'ignore',
    })
  }

  get #runDirectory(): string {
    return path.join(this.#runs, readdirSync(this.#runs).find((name) => !name.startsWith('filler')) ?? 'none')
  }

  #announced(): boolean {
    const file = path.join(this.#runDirectory, 'coordinator.json')
    if (!existsSync(file)) {
      if (this.#child && this.#child.exitCode !== null) throw new Error(`it ended at its start: ${this.#output()}`)
      return false
    }
    this.#place = JSON.parse(readFileSync(file, 'utf8')) as Announcement
    return true
  }

  async #impose(condition: Condition): Promise<void> {
    const { pid, address, adminAddress, metrics } = this.#place!
    switch (condition) {
      case 'SIGHUP without a terminal':
        process.kill(pid, 'SIGHUP')
        break
      case 'a full disk':
        fill(this.#runs)
        break
      case 'a disk that something else fills again and again':
        fill(this.#runs)
        this.#filling = setInterval(() => {
          fill(this.#runs)
        }, POLL_MS / 5)
        break
      case 'a frozen worker': {
        const frozen = this.#plan.command === 'train' ? childrenOf(pid).at(-1) : this.#workers.at(-1)!.child.pid
        if (frozen !== undefined) process.kill(frozen, 'SIGSTOP')
        break
      }
      case 'connections that say nothing':
        for (const place of [address, adminAddress, new URL(metrics).host]) {
          const { hostname, port } = new URL(`tcp://${place}`)
          const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
          socket.on('error', () => undefined)
          this.#sockets.push(socket)
          await once(socket, 'connect')
        }
        break
      default:
      // Time counts from the start.
    }
  }

  async #end(): Promise<void> {
    const { ending } = this.#plan
    const { pid, adminAddress } = this.#place!
    if (ending === 'its last step' || !this.#isAlive()) return
    if (ending === 'a terminal that vanishes') killTerminals()
    else if (ending === 'convoy stop') await new Launch(['stop', '--admin', adminAddress], this.#environment).status()
    else process.kill(pid, ending)
  }

  /** Waits until the process has ended. @param beganMs when it was asked to end at once; undefined to count from the end of its work */
  async #gone(beganMs: number | undefined): Promise<{ seconds: number; statedSeconds: number; late: string[] }> {
    const { slackSeconds } = this.#options
    let sinceMs = beganMs
    const deadlineMs = performance.now() + MAX_WORK_MS
    for (;;) {
      const isOver = !this.#isAlive()
      if (sinceMs === undefined && this.#isWorkDone()) sinceMs = performance.now()
      const seconds = (performance.now() - (sinceMs ?? performance.now())) / 1000
      const statedSeconds = statedGrace(this.#remains())
      const isLate = seconds > statedSeconds + slackSeconds
      if (isLate) return { seconds, statedSeconds, late: [`still there ${seconds.toFixed(1)} s after its end`] }
      if (isOver) return { seconds, statedSeconds, late: [] }
      if (sinceMs === undefined && performance.now() > deadlineMs)
        return { seconds, statedSeconds, late: [`its work is not done after ${MAX_WORK_MS / 1000} s`] }
      await delay(POLL_MS)
    }
  }

  /** Whether the result is printed, or in metrics.jsonl. */
  #isWorkDone(): boolean {
    if (existsSync(this.#out) && statSync(this.#out).size > 0) return true
    return linesOf(this.#runDirectory, 'metrics.jsonl').some(({ kind }) => kind === 'finished')
  }

  #steps(): number {
    return linesOf(this.#runDirectory, 'metrics.jsonl').filter(({ kind }) => kind === 'step').length
  }

  #isAlive(): boolean {
    return isAlive(this.#place!.pid)
  }

  #output(): string {
    const files = [this.#out, this.#err].filter(existsSync).map((file) => readFileSync(file, 'utf8'))
    return `${files.join('\n')}${this.#terminal?.raw ?? ''}`
  }

  #remains(): Parameters<typeof brokenPromises>[0] {
    return { plan: this.#plan, runDirectory: this.#runDirectory, output: this.#output() }
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + MAX_WORK_MS
    while (!holds()) {
      if (performance.now() > deadlineMs) throw new Error(`waited in vain for ${what}: ${this.#output()}`)
      await delay(POLL_MS)
    }
  }
}

/** Runs one run and ends it as planned. */
export async function runEnding(plan: PlannedEnding, options: EndingOptions): Promise<EndingOutcome> {
  const ending = new EndingRun(plan, options)
  try {
    return await ending.outcome()
  } finally {
    await ending.close()
  }
}

/** Fills a disk. */
function fill(directory: string): void {
  for (const bytes of [1 << 20, 1 << 12]) {
    try {
      for (;;) appendFileSync(path.join(directory, `filler-${bytes}`), Buffer.alloc(bytes))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args)
  if (status !== 0) throw new Error(`${command}: ${stderr.toString()}`)
}

/** Whether a process is alive; a zombie is not. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

function childrenOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return children.trim().split(/\s+/).filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
