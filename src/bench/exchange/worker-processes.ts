import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { KEEP_FREED_MEMORY, V8_FLAGS } from '../../launch/local-workers.js'
import type { WorkerStep } from './worker-steps.js'

/** Asks a worker for its steps first … first + count - 1. */
export interface StepsRequest {
  readonly first: number
  readonly count: number
}

export interface StepsReply {
  /** It can compute. */
  readonly isPrepared: boolean
  /** Those that are there. */
  readonly steps: WorkerStep[]
}

export interface ExchangeWorkersOptions {
  readonly count: number
  /** `host:port` that this worker joins. @param index from 0 */
  readonly addressOf: (index: number) => string
  readonly path: VectorPath
  /** Of a shard, see syntheticComputer. */
  readonly waitMs: number
  /** Called with the name of a worker that ended by itself. */
  readonly onEnded: (name: string) => void
}

export const PATHS = ['memory', 'network'] as const
/** How vectors travel. */
export type VectorPath = (typeof PATHS)[number]

const ENTRY = fileURLToPath(new URL('./worker-entry.js', import.meta.url))
const CLOSE_AFTER_MS = 5_000
const WAIT_MS = 20

/** Worker processes that compute nothing, started as `convoy train` starts its own. */
export class ExchangeWorkers {
  readonly #children: readonly ChildProcess[]
  #closing = false

  constructor({ count, addressOf, path, waitMs, onEnded }: ExchangeWorkersOptions) {
    this.#children = Array.from({ length: count }, (_, index) => {
      const name = `exchange-${index}`
      const child = fork(ENTRY, [addressOf(index), name, path, String(waitMs)], {
        ...{ execArgv: V8_FLAGS, env: { ...KEEP_FREED_MEMORY, ...process.env } },
        ...{ serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
      })
      child.once('exit', () => {
        if (!this.#closing) onEnded(name)
      })
      return child
    })
  }

  /** The steps of each worker, by its place. */
  async steps(request: StepsRequest): Promise<WorkerStep[][]> {
    return (await this.#ask(request)).map(({ steps }) => steps)
  }

  /** Waits until every worker can compute. @throws the signal's reason when it fires */
  async untilReady(signal: AbortSignal): Promise<void> {
    while ((await this.#ask({ first: 0, count: 0 })).some(({ isPrepared }) => !isPrepared)) {
      signal.throwIfAborted()
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
    }
  }

  /** From now on workers may end. */
  closing(): void {
    this.#closing = true
  }

  /** Waits for the end of the processes, and kills those that do not end. Call it when the run is being closed. */
  async close(): Promise<void> {
    this.closing()
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const killer = setTimeout(() => child.kill('SIGKILL'), CLOSE_AFTER_MS)
        await once(child, 'exit')
        clearTimeout(killer)
      }),
    )
  }

  async #ask(request: StepsRequest): Promise<StepsReply[]> {
    return Promise.all(
      this.#children.map(async (child) => {
        child.send(request)
        const [reply] = (await once(child, 'message')) as [StepsReply]
        return reply
      }),
    )
  }
}

/** The place of a worker among its processes. @param name as ExchangeWorkers gave it */
export function placeOf(name: string): number {
  return Number(name.split('-').at(-1))
}
