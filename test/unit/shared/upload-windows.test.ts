import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ClientHttp2Session } from 'node:http2'
import http2 from 'node:http2'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { FaultProxy } from '../../../src/bench/link/fault-proxy.js'
import { chunksOf } from '../../../src/shared/protocol/chunks.js'
import { listen } from '../../../src/shared/protocol/listen.js'
import { OpenConnections } from '../../../src/shared/protocol/open-connections.js'
import type { Chunk, Refusal, UnsealedChunk, WeightsRequest } from '../../../src/shared/protocol/messages.js'
import type { DataClient } from '../../../src/shared/protocol/services.js'
import { CHANNEL_OPTIONS, Data, SERVER_OPTIONS } from '../../../src/shared/protocol/services.js'
import { until } from '../../support/until.js'

const WIDE = 8 * 2 ** 20
/** HTTP/2's own. */
const NARROW = 2 ** 16 - 1

type Trust = (other?: ClientHttp2Session) => void

async function using(
  run: (session: ClientHttp2Session, trust: Trust, address: string) => Promise<void>,
): Promise<void> {
  const connections = new OpenConnections({ maxUnused: 16, report: () => undefined })
  const server = new grpc.Server({ ...SERVER_OPTIONS, interceptors: [connections.interceptor] })
  server.addService(Data.service, { weights: () => undefined, results: () => undefined, samples: () => undefined })
  const listener = await listen(server, '127.0.0.1:0', '--listen', connections)
  const session = http2.connect(`http://${listener.address}`)
  try {
    const [settings] = (await once(session, 'remoteSettings')) as [http2.Settings]
    assert.equal(settings.initialWindowSize, WIDE)
    // The other settings of the server are kept.
    assert.equal(settings.maxConcurrentStreams, 64)
    const { localPort } = session.socket as Socket
    const trust: Trust = (other) => {
      listener.trust(`127.0.0.1:${other ? (other.socket as Socket).localPort : localPort}`)
    }
    await run(session, trust, listener.address)
  } finally {
    session.destroy()
    listener.close()
  }
}

interface Streams {
  readonly client: DataClient
  readonly proxy: FaultProxy
  /** Bytes that the server got. */
  readonly received: () => number
}

/** A worker's client and a coordinator's server, with a link between them. The server sends 1 byte and then 3.4 MB to who asks for weights. */
async function usingStreams(run: (streams: Streams) => Promise<void>): Promise<void> {
  const connections = new OpenConnections({ maxUnused: 16, report: () => undefined })
  const server = new grpc.Server({ ...SERVER_OPTIONS, interceptors: [connections.interceptor] })
  let received = 0
  server.addService(Data.service, {
    weights: (stream: grpc.ServerDuplexStream<WeightsRequest, UnsealedChunk>) => {
      stream.on('error', () => undefined)
      stream.write({ id: 1, offset: 0, total: 1, data: Buffer.alloc(1), shared: false })
      // Later: the way back is closed then.
      setTimeout(() => {
        for (const chunk of chunksOf(2, Buffer.alloc(3_400_000))) stream.write(chunk)
      }, 200)
    },
    results: (stream: grpc.ServerDuplexStream<Chunk, Refusal>) => {
      listener.trust(stream.getPeer())
      stream.on('error', () => undefined)
      stream.on('data', ({ length }: Chunk) => {
        if (received === 0) stream.write({ lease: 1, code: 'stale', reason: 'stale' })
        received += length
      })
    },
    samples: () => undefined,
  })
  const listener = await listen(server, '127.0.0.1:0', '--listen', connections)
  const proxy = await FaultProxy.start(listener.address)
  const client = new Data(proxy.address, grpc.credentials.createInsecure(), CHANNEL_OPTIONS)
  try {
    await run({ client, proxy, received: () => received })
  } finally {
    proxy.close()
    client.close()
    listener.close()
  }
}

describe('a peer may send', () => {
  it('64 KiB before they are read, over a connection that is not known to be a worker', async () => {
    await using(async (session) => {
      await new Promise((resolve) => session.ping(resolve))
      assert.equal(session.state.remoteWindowSize, NARROW)
    })
  })

  it('8 MiB as a worker', async () => {
    await using(async (session, trust) => {
      trust()
      await until('a wider window', () => session.state.remoteWindowSize === WIDE)
    })
  })

  it('3.4 MB as a worker, though nothing that the coordinator sends arrives', async () => {
    await usingStreams(async ({ client, proxy, received }) => {
      const results = client.results(new grpc.Metadata())
      results.on('error', () => undefined)
      results.write({ id: 1, offset: 0, total: 1, data: Buffer.alloc(1), shared: false })
      // The answer comes after the wider window.
      await once(results, 'data')
      // HTTP/2's next windows would come this way.
      proxy.set(['down'], { blackhole: 'hold' })
      for (const chunk of chunksOf(2, Buffer.alloc(3_400_000))) results.write(chunk)
      await until('3.4 MB', () => received() === 3_400_001)
    })
  })

  it('3.4 MB as the coordinator, though nothing that the worker sends arrives', async () => {
    await usingStreams(async ({ client, proxy }) => {
      const weights = client.weights(new grpc.Metadata())
      let received = 0
      weights.on('error', () => undefined)
      weights.on('data', ({ length }: Chunk) => (received += length))
      weights.write({ haveVersion: 0, shared: false })
      await until('a first message', () => received > 0)
      proxy.set(['up'], { blackhole: 'hold' })
      await until('3.4 MB', () => received === 3_400_001)
    })
  })

  it('less than 8 MiB as one of many workers', async () => {
    await using(async (session, trust, address) => {
      trust()
      await until('a wide window', () => session.state.remoteWindowSize === WIDE)
      const others = Array.from({ length: 7 }, () => http2.connect(`http://${address}`))
      await Promise.all(others.map(async (other) => once(other, 'remoteSettings')))
      for (const other of others) trust(other)
      await until('a smaller window', () => session.remoteSettings.initialWindowSize === WIDE / 4)
      for (const other of others) other.destroy()
      await until('a wide window', () => session.remoteSettings.initialWindowSize === WIDE)
    })
  })

  it('and a peer that is gone is no error', async () => {
    await using(async (session, trust) => {
      session.destroy()
      await once(session, 'close')
      trust()
    })
  })
})
