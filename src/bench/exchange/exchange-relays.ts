import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { V8_FLAGS } from '../../launch/local-workers.js'

const ENTRY = fileURLToPath(new URL('./relay-entry.js', import.meta.url))
const CLOSE_AFTER_MS = 5_000

/** Relays as `convoy relay` runs them, each in a process of its own. */
export class ExchangeRelays {
  /** `host:port` for the workers of each. */
  readonly addresses: readonly string[]
  readonly #children: readonly ChildProcess[]

  private constructor(children: readonly ChildProcess[], addresses: readonly string[]) {
    this.#children = children
    this.addresses = addresses
  }

  /** @param address of the coordinator @param maxWorkers of each */
  static async start(address: string, count: number, maxWorkers: number): Promise<ExchangeRelays> {
    const children = Array.from({ length: count }, (_, index) =>
      fork(ENTRY, [address, `relay-${index}`, String(maxWorkers)], {
        ...{ execArgv: V8_FLAGS, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
      }),
    )
    const addresses = await Promise.all(
      children.map(async (child) => {
        const [own] = (await once(child, 'message')) as [string]
        return own
      }),
    )
    return new ExchangeRelays(children, addresses)
  }

  /** Waits for the end of the processes, and kills those that do not end. Call it when the run is being closed. */
  async close(): Promise<void> {
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
