import { fork } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseAddress } from '../../shared/protocol/addresses.js'
import type { Link } from '../link/link.js'
import { PeerProcess } from '../peer-process.js'

/** What the same bytes take without Convoy. */
export interface Baseline {
  /** Such as `gloo, 2 processes`. */
  readonly name: string
  readonly kind: 'copy' | 'tcp' | 'gloo'
  /** gloo: as many as workers that it is compared with. */
  readonly processes?: number
  /** tcp: round trip of its link; absent: none. */
  readonly delayMs?: number
  /** Runs this many steps. @returns the seconds of each */
  steps(count: number): Promise<number[]>
  close(): Promise<void>
}

const TCP_ENTRY = fileURLToPath(new URL('./tcp-entry.js', import.meta.url))

/** One copy of these bytes from memory to memory, both of which were written before. */
export function memoryCopy(bytes: number): Baseline {
  const [from, to] = [Buffer.alloc(bytes, 1), Buffer.alloc(bytes, 2)]
  return {
    name: 'a copy in memory',
    kind: 'copy',
    steps: async (count) =>
      timed(count, async () => {
        from.copy(to)
        return Promise.resolve()
      }),
    close: async () => Promise.resolve(),
  }
}

/**
 * These bytes over one TCP connection of this machine to another process, which answers with one byte when it has them all.
 * @param link that the connection takes; undefined: none. A step is then a round trip, plus the bytes over what TCP reaches there
 */
export async function tcpSend(
  bytes: number,
  link?: { readonly delayMs: number; readonly link: Link },
): Promise<Baseline> {
  const child = fork(TCP_ENTRY, [String(bytes)])
  const [port] = (await once(child, 'message')) as [number]
  const address = `127.0.0.1:${port}`
  const { host, port: reached } = parseAddress(link ? await link.link.to(address) : address, 'link')
  const socket = net.connect({ port: reached, host, noDelay: true })
  await once(socket, 'connect')
  const vector = Buffer.alloc(bytes, 1)
  return {
    name: link ? `one way over TCP and back, link of ${link.delayMs} ms` : 'one way over TCP',
    kind: 'tcp',
    ...(link && { delayMs: link.delayMs }),
    steps: async (count) =>
      timed(count, async () => {
        socket.write(vector)
        await once(socket, 'data')
      }),
    close: async () => {
      socket.end()
      await once(child, 'exit')
    },
  }
}

/** gloo's all-reduce of these bytes between processes of one thread each. @param python see peerPython */
export async function glooAllReduce(python: string, bytes: number, processes: number): Promise<Baseline> {
  const peer = new PeerProcess(python, 'pytorch_all_reduce.py', [String(bytes / 4), String(processes)])
  const { version } = (await peer.read()) as { version: string }
  return {
    name: `all-reduce of gloo (PyTorch ${version}), ${processes} processes`,
    kind: 'gloo',
    processes,
    steps: async (count) => peer.steps(count),
    close: async () => peer.close(),
  }
}

async function timed(count: number, work: () => Promise<void>): Promise<number[]> {
  const seconds: number[] = []
  for (let step = 0; step < count; step++) {
    const startedMs = performance.now()
    await work()
    seconds.push((performance.now() - startedMs) / 1000)
  }
  return seconds
}
