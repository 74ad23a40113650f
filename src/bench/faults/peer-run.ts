import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { directoryOf } from '../../data/cache/packed-cache.js'
import { findDataset } from '../../data/open-dataset.js'
import { ConvoyError } from '../../shared/errors.js'
import { readTextIfThere } from '../../shared/read-file.js'
import { counted } from '../../shared/units.js'
import { BATCH_SIZE } from '../contestant.js'
import { PEERS_DIRECTORY, peerVersion } from '../peer-environment.js'
import type { KillableContestant, KillableRun, KillableTask, RunRecord } from './killable-run.js'
import { untilFound } from './killable-run.js'

const MAX_LEDGER_BYTES = 100e6
const MAX_LAST_WORDS = 4_000
const CLOSE_AFTER_MS = 10_000
/** Processes may be killed as often as the schedule says. */
const MAX_RESTARTS = 1_000_000

/** A step that a process applied: its line in `ledger-<rank>`. */
interface LedgerLine {
  readonly rank: number
  /** Steps applied so far. */
  readonly step: number
  /** Samples of this process that the step has. */
  readonly samples: number
  /** Since 1970. */
  readonly time: number
  /** Processor time of the process so far. */
  readonly seconds: number
}

/** A program that a run consists of, beside the processes that torchrun starts for it. */
interface Program {
  readonly args: readonly string[]
  readonly environment?: NodeJS.ProcessEnv
}

/** Processes of PyTorch under torchrun, which restarts them. Their script is in bench/peers. */
class PeerRun implements KillableRun {
  readonly firstStep: Promise<void>
  readonly ended: Promise<void>
  readonly #task: KillableTask
  readonly #directory: string
  readonly #children: readonly ChildProcess[]
  readonly #failure = new AbortController()
  #isEnded = false
  #workerTurns = 0
  #lastWords = ''

  constructor(task: KillableTask, directory: string, python: string, programs: readonly Program[]) {
    this.#task = task
    this.#directory = directory
    this.#children = programs.map((program) => this.#spawn(python, program))
    const { signal } = this.#failure
    this.firstStep = untilFound(() => this.#ledgers().find((lines) => lines.length > 0), signal).then(() => undefined)
    this.ended = this.firstStep.then(async () => {
      await untilFound(() => this.#ledgers().find((lines) => lines.at(-1)?.step === task.steps), signal)
      this.#isEnded = true
    })
    this.ended.catch(() => undefined)
  }

  killWorker(): boolean {
    const others = this.#task.workers - 1
    // Rank 0 has a turn of its own, unless it is alone.
    return this.#kill(others === 0 ? 0 : 1 + (this.#workerTurns++ % others))
  }

  killCoordinator(): boolean {
    return this.#kill(0)
  }

  lastWords(): string {
    return this.#lastWords.trim()
  }

  record(): RunRecord {
    const ledgers = this.#ledgers()
    const lines = ledgers.flat()
    const times = lines.map(({ time }) => time)
    const starts = ledgers.map((ofRank) => ofRank[0]!.seconds)
    // A process that lost steps applies them again: its last line of a step is the one that the weights have.
    const counted = new Map(lines.map((line) => [`${line.rank} ${line.step}`, line.samples]))
    const used = [...counted.values()].reduce((sum, samples) => sum + samples, 0)
    return {
      seconds: Math.max(...times) - Math.min(...times),
      endedMs: 1000 * Math.max(...times),
      validationSeconds: 0,
      startSeconds: starts.reduce((sum, one) => sum + one, 0) / starts.length,
      stepsTwice: Math.max(...ledgers.map((ofRank) => ofRank.length - new Set(ofRank.map(({ step }) => step)).size)),
      samplesOff: BATCH_SIZE * this.#task.steps - used,
      weightsSha256: readTextIfThere(path.join(this.#directory, 'weights.sha256'), MAX_LEDGER_BYTES)!.trim(),
      restartSeconds: [],
    }
  }

  async close(): Promise<void> {
    this.#isEnded = true
    this.#failure.abort(new ConvoyError('interrupted', 'the benchmark is over'))
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const killer = setTimeout(() => child.kill('SIGKILL'), CLOSE_AFTER_MS)
        const ended = new Promise((resolve) => child.once('close', resolve))
        // torchrun ends its processes first.
        child.kill('SIGTERM')
        await ended
        clearTimeout(killer)
      }),
    )
    for (let rank = 0; rank < this.#task.workers; rank++) this.#kill(rank)
  }

  #spawn(python: string, { args, environment }: Program): ChildProcess {
    const child = spawn(python, args, {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { ...process.env, OMP_NUM_THREADS: '1', ...environment },
    })
    child.stderr.on('data', (text: Buffer) => {
      this.#lastWords = (this.#lastWords + text.toString()).slice(-MAX_LAST_WORDS)
    })
    child.once('close', (status, signal) => {
      if (status !== 0 && !this.#isEnded)
        this.#failure.abort(
          new ConvoyError('environment', `${args.join(' ')} ended with ${status ?? signal}:\n${this.lastWords()}`),
        )
    })
    return child
  }

  /** Lines of each rank, in the order in which they were written. */
  #ledgers(): LedgerLine[][] {
    return Array.from({ length: this.#task.workers }, (_, rank) => {
      const text = readTextIfThere(path.join(this.#directory, `ledger-${rank}`), MAX_LEDGER_BYTES) ?? ''
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => {
          const [step, samples, time, seconds] = line.split(' ').map(Number) as [number, number, number, number]
          return { rank, step, samples, time, seconds }
        })
    })
  }

  /** Each process writes its id when it starts. A process that has ended may have left its id to another program. */
  #kill(rank: number): boolean {
    const pid = readTextIfThere(path.join(this.#directory, `pid-${rank}`), MAX_LAST_WORDS)
    try {
      const isAlive = pid !== undefined && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.#directory)
      return isAlive && process.kill(Number(pid), 'SIGKILL')
    } catch {
      return false
    }
  }
}

/** torchrun as its documentation starts it on one machine. */
function torchrun(processes: number, script: string, words: readonly string[]): string[] {
  const place = ['--standalone', '--nnodes=1', `--nproc-per-node=${processes}`, `--max-restarts=${MAX_RESTARTS}`]
  return ['-m', 'torch.distributed.run', ...place, path.join(PEERS_DIRECTORY, script), ...words]
}

async function wordsOf({ network, data, steps }: KillableTask, directory: string): Promise<string[]> {
  const { fingerprint } = await findDataset(data, () => undefined)
  return [directory, directoryOf(fingerprint), network, `${BATCH_SIZE}`, `${steps}`]
}

/** DistributedDataParallel: torchrun restarts all processes when one dies, and they go on from the newest checkpoint. */
export function ddpContestant({ workers }: KillableTask, python: string): KillableContestant {
  return {
    name: `PyTorch ${peerVersion('torch')}, DDP over gloo, ${counted(workers, 'process', 'processes')}`,
    hasCoordinatingWorker: true,
    start: async (task, directory) => {
      const args = torchrun(task.workers, 'killable_ddp.py', await wordsOf(task, directory))
      return new PeerRun(task, directory, python, [{ args }])
    },
  }
}

/** torchft: a torchrun for each replica, and a lighthouse, which decides who takes part in a step. */
export function torchftContestant({ workers }: KillableTask, python: string): KillableContestant {
  return {
    name: `torchft ${peerVersion('torchft')} over gloo, ${counted(workers, 'replica')}`,
    hasCoordinatingWorker: true,
    start: async (task, directory) => {
      const lighthouse = path.join(directory, 'lighthouse')
      const args = torchrun(1, 'killable_torchft.py', [...(await wordsOf(task, directory)), lighthouse])
      const replicas = Array.from({ length: task.workers }, (_, rank) => ({
        args,
        environment: { REPLICA_GROUP_ID: `${rank}`, NUM_REPLICA_GROUPS: `${task.workers}` },
      }))
      const server = { args: [path.join(PEERS_DIRECTORY, 'torchft_lighthouse.py'), lighthouse] }
      return new PeerRun(task, directory, python, [server, ...replicas])
    },
  }
}
