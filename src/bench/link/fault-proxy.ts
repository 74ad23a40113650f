import { once } from 'node:events'
import net from 'node:net'
import { parseAddress } from '../../shared/protocol/addresses.js'
import { SeededDraws } from '../../simulation/seeded-draws.js'
import type { LaneFaults } from './fault-lane.js'
import { breakOff, FaultLane, NO_FAULTS } from './fault-lane.js'

/** up: from the worker to the coordinator. */
export type Direction = 'up' | 'down'
export const BOTH: readonly Direction[] = ['up', 'down']

interface Connection {
  readonly client: net.Socket
  readonly server: net.Socket
  readonly lanes: Readonly<Record<Direction, FaultLane>>
}

/**
 * A bad network between a worker and its coordinator, in user space: works without netem in the kernel and without root.
 *
 *     worker ── client ══ lane up ══> server ── coordinator
 *                      <═ lane down ═
 */
export class FaultProxy {
  readonly #server: net.Server
  readonly #draws: SeededDraws
  readonly #faults: Record<Direction, LaneFaults> = { up: { ...NO_FAULTS }, down: { ...NO_FAULTS } }
  readonly #connections = new Set<Connection>()
  #target: string
  #refuses = false

  private constructor(target: string, draws: SeededDraws) {
    this.#target = target
    this.#draws = draws
    // allowHalfOpen: each direction ends after its own end was sent.
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.#connect(client)
    })
  }

  /** @param target `host:port`; @param seed of jitter, losses and flipped bits */
  static async start(target: string, seed = 1): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, new SeededDraws(seed, 0x70))
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  /** Address that the worker connects to. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`
  }

  /** Bytes of all connections that wait in this direction. */
  heldBytes(direction: Direction): number {
    return [...this.#connections].reduce((sum, { lanes }) => sum + lanes[direction].heldBytes, 0)
  }

  /** Number of reads that will still be damaged. */
  flipsLeft(direction: Direction): number {
    return this.#faults[direction].flips
  }

  /** Changes some faults, for open and for new connections. */
  set(directions: readonly Direction[], faults: Partial<LaneFaults>): void {
    for (const direction of directions) Object.assign(this.#faults[direction], faults)
    for (const connection of this.#connections) this.#goOn(connection)
  }

  /** Removes all faults. A connection that lost bytes breaks, because they are not retransmitted. */
  heal(): void {
    this.#refuses = false
    this.set(BOTH, NO_FAULTS)
  }

  /** Ends every connection with RST to both sides, in the middle of their messages. */
  reset(): void {
    for (const { client, server } of this.#connections) {
      breakOff(client)
      breakOff(server)
    }
  }

  /** Half-open: the coordinator sees every connection closed, the worker does not. */
  closeServerSides(): void {
    for (const { server, lanes } of this.#connections) {
      lanes.up.mute()
      lanes.down.mute()
      breakOff(server)
    }
  }

  /** Resets new connections at once until {@link heal}. */
  refuse(): void {
    this.#refuses = true
  }

  /** Moves to another address of the coordinator; connections to the old one break. */
  retarget(target: string): void {
    this.#target = target
    this.reset()
  }

  /** Breaks everything and stops listening. */
  close(): void {
    this.#server.close()
    this.reset()
  }

  #connect(client: net.Socket): void {
    if (this.#refuses) {
      breakOff(client)
      return
    }
    const { host, port } = parseAddress(this.#target, 'target')
    const server = net.connect({ host, port, allowHalfOpen: true, noDelay: true })
    const lanes = {
      up: new FaultLane(client, server, this.#faults.up, this.#draws),
      down: new FaultLane(server, client, this.#faults.down, this.#draws),
    }
    const connection = { client, server, lanes }
    this.#connections.add(connection)
    const forget = (): void => {
      if (client.destroyed && server.destroyed) this.#connections.delete(connection)
    }
    client.on('close', forget)
    server.on('close', forget)
  }

  #goOn({ client, server, lanes }: Connection): void {
    for (const direction of BOTH) {
      if (lanes[direction].hasHole && this.#faults[direction].blackhole === 'none') {
        breakOff(client)
        breakOff(server)
        return
      }
      lanes[direction].wake()
    }
  }
}
