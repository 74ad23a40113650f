import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ClientHttp2Session } from 'node:http2'
import http2 from 'node:http2'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { listen } from '../../../src/shared/protocol/listen.js'
import { OpenConnections } from '../../../src/shared/protocol/open-connections.js'
import { Data, SERVER_OPTIONS } from '../../../src/shared/protocol/services.js'
import { until } from '../../support/until.js'

const WIDE = 8 * 2 ** 20
/** HTTP/2's own. */
const NARROW = 2 ** 16 - 1

async function using(run: (session: ClientHttp2Session, trust: () => void) => Promise<void>): Promise<void> {
  const connections = new OpenConnections({ maxUnused: 4, report: () => undefined })
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
    await run(session, () => {
      listener.trust(`127.0.0.1:${localPort}`)
    })
  } finally {
    session.destroy()
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

  it('and a peer that is gone is no error', async () => {
    await using(async (session, trust) => {
      session.destroy()
      await once(session, 'close')
      trust()
    })
  })
})
