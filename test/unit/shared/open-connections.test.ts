import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { after, before, describe, it } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import type { Listener } from '../../../src/shared/protocol/listen.js'
import { listen } from '../../../src/shared/protocol/listen.js'
import { OpenConnections } from '../../../src/shared/protocol/open-connections.js'
import { Control } from '../../../src/shared/protocol/services.js'
import { beginCall } from '../../faults/hostile/raw-peer.js'

const MAX_BYTES = 1_024

describe('a request above the size limit', () => {
  const sessions: http2.ClientHttp2Session[] = []
  let isWorker = false
  const connections = new OpenConnections({ maxUnused: 4, isInUse: () => isWorker, report: () => undefined })
  const server = new grpc.Server({
    interceptors: [connections.interceptor],
    'grpc.max_receive_message_length': MAX_BYTES,
  })
  let listener: Listener
  before(async () => {
    server.addService(Control.service, { join: () => undefined, work: () => undefined })
    listener = await listen(server, '127.0.0.1:0', '--listen', connections)
  })
  after(() => {
    for (const session of sessions) session.destroy()
    listener.close()
  })

  /** The beginning of a join whose frame announces `bytes` more. */
  function beginJoin(bytes: number) {
    const session = http2.connect(`http://${listener.address}`)
    sessions.push(session)
    const head = Buffer.alloc(6)
    head.writeUInt32BE(bytes, 1)
    return { session, stream: beginCall(session, Control.service['Join']!.path, {}, head) }
  }

  it('closes the connection when no worker uses it, without reading the rest', async () => {
    isWorker = false
    const { session } = beginJoin(MAX_BYTES + 1)
    await once(session, 'close')
  })

  it('ends only the call when a worker uses the connection', async () => {
    isWorker = true
    const { session, stream } = beginJoin(MAX_BYTES + 1)
    const [headers] = (await once(stream, 'response')) as [Record<string, string>]
    assert.equal(Number(headers['grpc-status']), grpc.status.RESOURCE_EXHAUSTED)
    await new Promise((resolve, reject) => {
      session.ping((error: Error | null) => {
        if (error) reject(error)
        else resolve(undefined)
      })
    })
  })

  it('is not assumed for a request of exactly the limit, which stays open until it is complete', async () => {
    isWorker = false
    const { session } = beginJoin(MAX_BYTES)
    await new Promise((resolve) => session.ping(resolve))
    assert.equal(session.closed, false)
  })
})
