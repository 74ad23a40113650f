import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import path from 'node:path'
import { LocalWorkers } from '../../launch/local-workers.js'
import { RECIPES } from '../../model/config/recipes.js'
import { readMetrics } from '../../reporting/sinks/metrics-file.js'
import type { MetricsLine } from '../../reporting/sinks/metrics-line.js'
import { ConvoyError } from '../../shared/errors.js'
import { parseLogLevels } from '../../shared/log/log-levels.js'
import { Log } from '../../shared/log/log.js'
import { packageRoot } from '../../shared/package-root.js'
import { readTextIfThere } from '../../shared/read-file.js'
import { counted } from '../../shared/units.js'
import { BATCH_SIZE } from '../contestant.js'
import { processorSeconds } from '../processor-seconds.js'
import type { KillableContestant, KillableRun, KillableTask, RunRecord } from './killable-run.js'
import { untilFound } from './killable-run.js'

const ANY_PORT = '127.0.0.1:0'
const MAX_ANNOUNCEMENT_BYTES = 10_000
const MAX_LAST_WORDS = 2_000

interface Restart {
  /** When the coordinator before was killed, since 1970. */
  readonly killedMs: number
  /** Steps that it had reported. */
  readonly steps: number
}

/** `convoy coordinator`, which is restarted with `--resume`, and worker processes that join it. */
export class ConvoyRun implements KillableRun {
  readonly firstStep: Promise<void>
  readonly ended: Promise<void>
  readonly #task: KillableTask
  readonly #announcement: string
  readonly #failure = new AbortController()
  readonly #restarts: Restart[] = []
  #coordinator: ChildProcess
  #killedMs: number | undefined
  #place: { readonly address: string; readonly runDirectory: string } | undefined
  #workers: LocalWorkers | undefined
  #startSeconds = 0
  #lastWords = ''
  #onEnd: () => void = () => undefined

  constructor(task: KillableTask, directory: string) {
    this.#task = task
    this.#announcement = path.join(directory, 'announcement.json')
    this.ended = new Promise((resolve, reject) => {
      this.#onEnd = resolve
      this.#failure.signal.addEventListener('abort', () => {
        reject(this.#failure.signal.reason as ConvoyError)
      })
    })
    // Whoever waits for the first step sees the failure.
    this.ended.catch(() => undefined)
    const kept = ['--runs-dir', path.join(directory, 'runs'), '--announce', this.#announcement]
    this.#coordinator = this.#startCoordinator([...kept, ...flagsOf(task), '--listen', ANY_PORT])
    this.firstStep = this.#begin(directory)
  }

  killWorker(): boolean {
    // Restarted workers come last: this one has been running for the longest time.
    const pid = this.#workers?.pids[0]
    return pid !== undefined && process.kill(pid, 'SIGKILL')
  }

  killCoordinator(): boolean {
    if (this.#place === undefined || this.#killedMs !== undefined) return false
    this.#killedMs = Date.now()
    return this.#coordinator.kill('SIGKILL')
  }

  lastWords(): string {
    return this.#lastWords.trim()
  }

  record(): RunRecord {
    const lines = readMetrics(this.#place!.runDirectory)
    const steps = lines.filter((line) => line.kind === 'step')
    const done = steps.map(({ step }) => step)
    const validations = lines.flatMap((line) =>
      line.kind === 'evaluated' && line.result.split === 'validation' && line.result.step < this.#task.steps
        ? [line.result.durationMs / 1000]
        : [],
    )
    return {
      seconds: steps.at(-1)!.time - steps[0]!.time,
      endedMs: 1000 * steps.at(-1)!.time,
      validationSeconds: validations.reduce((sum, one) => sum + one, 0),
      startSeconds: this.#startSeconds,
      stepsTwice: stepsTwice(this.#restarts, lines),
      samplesOff: BATCH_SIZE * deviations(done, this.#task.steps),
      weightsSha256: lines.find((line) => line.kind === 'finished')!.weightsSha256,
      restartSeconds: this.restartSeconds(),
    }
  }

  /** From each death of the coordinator to the end of the first new step, as far as there is one. */
  restartSeconds(): number[] {
    if (this.#restarts.length === 0) return []
    const lines = readMetrics(this.#place!.runDirectory)
    return this.#restarts.flatMap(({ killedMs }) => secondsToNewStep(lines, killedMs) ?? [])
  }

  async close(): Promise<void> {
    this.#failure.abort(new ConvoyError('interrupted', 'the benchmark is over'))
    this.#coordinator.kill('SIGKILL')
    await this.#workers?.close()
  }

  async #begin(directory: string): Promise<void> {
    const { signal } = this.#failure
    this.#place = await untilFound(() => {
      const text = readTextIfThere(this.#announcement, MAX_ANNOUNCEMENT_BYTES)
      return text === undefined ? undefined : (JSON.parse(text) as { address: string; runDirectory: string })
    }, signal)
    const { address, runDirectory } = this.#place
    const workers = new LocalWorkers({
      ...{ address, count: this.#task.workers, device: 'cpu', logDirectory: directory, logLevel: 'info' },
      ...{ maxRestarts: Infinity, restartAfterMs: 0, environment: () => process.env },
      log: new Log({ levels: parseLogLevels('error'), sinks: [], now: Date.now }).module('process'),
      onNoneLeft: () => undefined,
    })
    this.#workers = workers
    await untilFound(() => readMetrics(runDirectory).find(({ kind }) => kind === 'step'), signal)
    const seconds = workers.pids.map(processorSeconds)
    this.#startSeconds = seconds.reduce((sum, one) => sum + one, 0) / seconds.length
  }

  #startCoordinator(flags: readonly string[]): ChildProcess {
    const program = [...process.execArgv, path.join(packageRoot, 'bin', 'convoy.mjs'), 'coordinator']
    const places = ['--admin-listen', ANY_PORT, '--metrics-listen', ANY_PORT, '--log-level', 'warn', '--json']
    const child = spawn(process.execPath, [...program, ...places, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.on('data', (text: Buffer) => {
      this.#lastWords = (this.#lastWords + text.toString()).slice(-MAX_LAST_WORDS)
    })
    child.once('close', (status, signal) => {
      if (status === 0) this.#onEnd()
      else if (this.#killedMs !== undefined && !this.#failure.signal.aborted) this.#resume(this.#killedMs)
      else
        this.#failure.abort(
          new ConvoyError('environment', `convoy coordinator ended with ${status ?? signal}: ${this.lastWords()}`),
        )
    })
    return child
  }

  #resume(killedMs: number): void {
    const { address, runDirectory } = this.#place!
    this.#coordinator = this.#startCoordinator(['--resume', runDirectory, '--listen', address])
    this.#killedMs = undefined
    // The next coordinator has just been started: it has not removed any of these lines yet.
    const steps = readMetrics(runDirectory).findLast((line) => line.kind === 'step')?.step ?? 0
    this.#restarts.push({ killedMs, steps })
  }
}

/** Convoy as it is used: a journal of all steps, a checkpoint every five minutes. */
export function convoyContestant({ workers }: KillableTask): KillableContestant {
  return {
    name: `Convoy, ${counted(workers, 'worker')}`,
    hasCoordinatingWorker: false,
    start: async (task, directory) => new ConvoyRun(task, directory),
  }
}

function flagsOf({ network, data, workers, steps }: KillableTask): string[] {
  return [
    ...['--recipe', network in RECIPES ? network : 'resnet20', '--network', network, '--max-steps', `${steps}`],
    // With two workers a shard for each, as each process of the peers has.
    ...['--batch-size', `${BATCH_SIZE}`, '--shard-size', `${shardFor(workers)}`, '--epochs', '100000'],
    ...(data === undefined ? [] : ['--data', data]),
  ]
}

/** The largest power of two with a shard for each worker. */
function shardFor(workers: number): number {
  return 2 ** Math.floor(Math.log2(BATCH_SIZE / workers))
}

/** Steps that were reported before a coordinator died, and that the next one did not have. */
function stepsTwice(restarts: readonly Restart[], lines: readonly MetricsLine[]): number {
  let total = 0
  let afterMs = 0
  for (const line of lines) {
    if (line.kind !== 'resumed') continue
    const beforeMs = 1000 * line.time
    // Several, when coordinators died before they went on.
    const deaths = restarts.filter(({ killedMs }) => killedMs > afterMs && killedMs < beforeMs)
    total += Math.max(0, ...deaths.map(({ steps }) => steps - line.step))
    afterMs = beforeMs
  }
  return total
}

/** How many of the steps 1 to `total` are missing or there again. */
function deviations(steps: readonly number[], total: number): number {
  const distinct = new Set(steps).size
  return total - distinct + (steps.length - distinct)
}

function secondsToNewStep(lines: readonly MetricsLine[], killedMs: number): number | undefined {
  const first = lines.find((line) => line.kind === 'step' && line.replayed === undefined && line.time * 1000 > killedMs)
  return first && first.time - killedMs / 1000
}
