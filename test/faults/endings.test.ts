import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { FaultOracle } from './chaos/fault-oracle.js'
import { killLaunches, Launch } from '../support/launch.js'

// Ends of runs, row by row of the fault table.

/** Time for the goodbye to workers, the final inspection and other waits at the end, on a busy machine. */
const END_MS = 30_000

/** A connection that never sends anything, and does not close when the other side does. */
async function bareConnection(address: string): Promise<Socket> {
  const url = new URL(`tcp://${address}`)
  const socket = connect({ host: url.hostname, port: Number(url.port), allowHalfOpen: true })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

describe('an end that peers must not delay', () => {
  const oracle = new FaultOracle()
  after(() => {
    killLaunches()
    oracle.remove()
  })

  it('fault 59: a worker is frozen and bare connections are open when the run ends', async () => {
    const sockets: Socket[] = []
    try {
      await oracle.survives(2, async ({ coordinator }, [, frozen]) => {
        const { address, adminAddress, metrics } = await coordinator.announcement()
        for (const place of [address, adminAddress, new URL(metrics).host]) sockets.push(await bareConnection(place))
        frozen!.freeze()
        await coordinator.untilMetrics(({ kind }) => kind === 'finished')
        const ended = await Promise.race([coordinator.status().then(() => true), delay(END_MS, false)])
        assert.ok(ended, `the coordinator still runs ${END_MS} ms after the end of its run`)
      })
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  })

  it('fault 59: the coordinator is frozen when a worker is asked to leave', async () => {
    const fleet = oracle.fleet()
    try {
      const worker = await fleet.add('a')
      await fleet.joined('a')
      fleet.coordinator.child.kill('SIGSTOP')
      worker.launch.terminate()
      const ended = await Promise.race([worker.launch.status().then(() => true), delay(END_MS, false)])
      assert.ok(ended, `the worker still runs ${END_MS} ms after it was asked to leave`)
    } finally {
      fleet.close()
    }
  })

  it('fault 60: proxy variables name an unreachable address', async () => {
    const proxy = 'http://127.0.0.1:9'
    const environment = { http_proxy: proxy, https_proxy: proxy, grpc_proxy: proxy, no_proxy: '', no_grpc_proxy: '' }
    await oracle.survives(1, async () => undefined, [], { environment })
    const doctor = new Launch(['doctor'], environment)
    await doctor.status()
    assert.match(doctor.stdout, /✔ gRPC over loopback/)
    assert.match(doctor.stdout, /✔ proxy: grpc_proxy, http_proxy, https_proxy; used by npm and pip/)
  })
})
