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

export const PATHS = ['memory', 'network'] as const
/** How vectors travel. */
export type VectorPath = (typeof PATHS)[number]

const ENTRY = fileURLToPath(new URL('./worker-entry.js', import.meta.url))
const CLOSE_AFTER_MS = 5_000

/** Worker processes that compute nothing, started as `convoy train` starts its own. */
export class ExchangeWorkers {
  readonly #children: readonly ChildProcess[]
  #closing = false

  /** @param waitMs of a shard, see syntheticComputer @param onEnded called with the name of a worker that ended by itself */
  constructor(address: string, count: number, path: VectorPath, waitMs: number, onEnded: (name: string) => void) {
    this.#children = Array.from({ length: count }, (_, index) => {
      const name = `exchange-${index}`
      const child = fork(ENTRY, [address, name, path, String(waitMs)], {
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
    return Promise.all(
      this.#children.map(async (child) => {
        child.send(request)
        const [steps] = (await once(child, 'message')) as [WorkerStep[]]
        return steps
      }),
    )
  }

  /** Waits for the end of the processes, and kills those that do not end. Call it when the run is being closed. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const killer = setTimeout(() => child.kill('SIGKILL'), CLOSE_AFTER_MS)
        await once(child, 'exit')
        clearTimeout(killer)
      }),
    )
  }
}

/** The place of a worker among its processes. @param name as ExchangeWorkers gave it */
export function placeOf(name: string): number {
  return Number(name.split('-').at(-1))
}
