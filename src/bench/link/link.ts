import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Asks a link for a way to this `host:port`. */
export interface LinkRequest {
  readonly target: string
}

const ENTRY = fileURLToPath(new URL('./link-entry.js', import.meta.url))

/** A delayed link of this machine: a process that passes on what comes, half a round trip later. It holds as much as is on its way. */
export class Link {
  readonly #child: ChildProcess

  /**
   * @param roundTripMs half of it each way; timers of the process add up to about a millisecond
   * @param megabits limit of each connection and direction, per second; 0: none
   */
  constructor(roundTripMs: number, megabits: number) {
    this.#child = fork(ENTRY, [String(roundTripMs), String(megabits)])
  }

  /** @returns an address that leads to `target` over this link. One request at a time */
  async to(target: string): Promise<string> {
    this.#child.send({ target } satisfies LinkRequest)
    const [address] = (await once(this.#child, 'message')) as [string]
    return address
  }

  async close(): Promise<void> {
    this.#child.disconnect()
    await once(this.#child, 'exit')
  }
}
