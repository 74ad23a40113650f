import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import { FaultOracle } from './chaos/fault-oracle.js'
import { BOTH } from '../../src/bench/link/fault-proxy.js'
import type { Fleet } from './chaos/fleet.js'
import { LyingWorker } from './chaos/lying-worker.js'
import { until } from '../support/until.js'
import { killLaunches } from '../support/launch.js'
import type { DeviceDescription } from '../../src/tensorflow/engine/engine.js'
import type { JoinReply, JoinRequest } from '../../src/shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../../src/shared/protocol/messages.js'
import { Control } from '../../src/shared/protocol/services.js'

// False claims of unproven peers, row by row of the fault table: real coordinators, and honest workers beside the false ones.

const DEVICE = { kind: 'cpu', name: 'any', tensorflowVersion: '0', fingerprint: 'not the honest one' } as const
/** The honest worker is slow enough that there is work for the liars. */
const SLOW_LINK = { delayMs: 40 }
/** Enough for a coordinator with one worker, and for few other connections. */
const FEW_DESCRIPTORS = 256
const MIB = 2 ** 20
/** Growth of a coordinator that is not caused by the joins. */
const MAX_GROWTH_BYTES = 64 * MIB

/** Only joins. @returns the status of each rejected join, undefined for an accepted one */
async function joins(
  { coordinator }: Fleet,
  requests: readonly Partial<JoinRequest>[],
): Promise<(grpc.ServiceError | undefined)[]> {
  const { address } = await coordinator.announcement()
  const client = new Control(address, grpc.credentials.createInsecure())
  const join = promisify<JoinRequest, grpc.Metadata, grpc.CallOptions, JoinReply | undefined>(client.join.bind(client))
  try {
    return await Promise.all(
      requests.map(async (request, index) => {
        const whole = {
          protocol: PROTOCOL_VERSION,
          name: `liar ${index}`,
          incarnation: `${index}`,
          host: 'h',
          device: DEVICE,
        }
        return join({ ...whole, ...request }, new grpc.Metadata(), {}).then(
          () => undefined,
          (error: unknown) => error as grpc.ServiceError,
        )
      }),
    )
  } finally {
    client.close()
  }
}

function residentBytes({ coordinator }: Fleet): number {
  const status = readFileSync(`/proc/${coordinator.child.pid}/status`, 'utf8')
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1])
}

describe('false claims of peers', () => {
  const oracle = new FaultOracle()
  after(() => {
    killLaunches()
    oracle.remove()
  })

  /** Hostile joins before an honest worker joins; the run must end as it does without them. */
  async function survivesAtStart(hostile: (fleet: Fleet) => Promise<void>): Promise<void> {
    const fleet = oracle.fleet()
    try {
      await hostile(fleet)
      await fleet.add('honest')
      await oracle.check(fleet)
    } finally {
      fleet.close()
    }
  }

  it('fault 61: joins with a megabyte of text in any field are rejected and not kept in memory', async () => {
    await survivesAtStart(async (fleet) => {
      const long = 'x'.repeat(MIB - 1_000)
      await joins(fleet, [{}])
      const before = residentBytes(fleet)
      for (let round = 0; round < 100; round++) {
        const refusals = await joins(fleet, [
          { incarnation: long },
          { name: long },
          { device: { ...DEVICE, name: long } },
          { device: { ...DEVICE, fingerprint: long } },
          { device: { ...DEVICE, tensorflowVersion: long } },
        ])
        for (const refusal of refusals) assert.ok(refusal !== undefined, 'a text of a megabyte was accepted')
      }
      await until('the memory of the joins to be given back', () => residentBytes(fleet) - before < MAX_GROWTH_BYTES)
    })
  })

  it('fault 62: a first join with a false fingerprint, without a result, does not exclude honest workers', async () => {
    await survivesAtStart(async (fleet) => {
      const { address } = await fleet.coordinator.announcement()
      const silent = await LyingWorker.join(address, 'silent', DEVICE)
      assert.ok((await silent.lease()) > 0)
      silent.close()
      await joins(fleet, [{}])
    })
  })

  it('fault 62: the first result determines the accepted fingerprint, and other devices are rejected', async () => {
    await oracle.survives(1, async (fleet) => {
      const [refusal] = await joins(fleet, [{}])
      assert.equal(refusal?.code, grpc.status.FAILED_PRECONDITION)
      assert.match(refusal.details, /--allow-mixed-devices/)
    })
  })

  it('fault 64: two workers with the same wrong result do not end the run of an honest third', async () => {
    await oracle.survives(1, async (fleet, [honest]) => {
      honest!.proxy.set(BOTH, SLOW_LINK)
      const { address } = await fleet.coordinator.announcement()
      const { worker } = await fleet.joined('a')
      const { device } = worker as { device: DeviceDescription }
      const liars = [await LyingWorker.join(address, 'b', device), await LyingWorker.join(address, 'c', device)]
      try {
        const isQuarantined = async (): Promise<boolean> =>
          (await fleet.coordinator.metrics()).some(({ kind }) => kind === 'quarantined')
        for (const liar of liars) liar.answersAll(NaN)
        await until('a liar to be quarantined', isQuarantined)
      } finally {
        for (const liar of liars) liar.close()
        honest!.proxy.heal()
      }
    })
  })

  it('fault 63: joins that never open a control stream do not occupy places or names of workers', async () => {
    await survivesAtStart(async (fleet) => {
      const accepted = await joins(
        fleet,
        Array.from({ length: 300 }, (_, index) => ({ name: index % 2 === 0 ? 'honest' : `liar ${index}` })),
      )
      assert.ok(accepted.every((refusal) => refusal === undefined || refusal.code === grpc.status.RESOURCE_EXHAUSTED))
    })
  })

  it('fault 65: connections that use up the coordinator’s descriptors do not disturb its workers', async () => {
    const sockets: Socket[] = []
    const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-claims-'))
    const withFewDescriptors = path.join(scratch, 'node')
    const script = `#!/bin/sh\nulimit -n ${FEW_DESCRIPTORS}\nexec ${process.execPath} "$@"\n`
    writeFileSync(withFewDescriptors, script, { mode: 0o700 })
    await oracle.survives(
      1,
      async (fleet) => {
        const { metrics } = await fleet.coordinator.announcement()
        for (let count = 0; count < 2 * FEW_DESCRIPTORS; count++) {
          const socket = connect(Number(new URL(metrics).port), '127.0.0.1')
          socket.on('error', () => undefined)
          sockets.push(socket)
        }
        await fleet.moreSteps(20)
        const lines = await fleet.coordinator.metrics()
        assert.deepEqual(
          lines.filter(({ kind }) => kind === 'worker-left' || kind === 'reissued' || kind === 'quarantined'),
          [],
        )
      },
      [],
      { node: withFewDescriptors },
    )
    for (const socket of sockets) socket.destroy()
    rmSync(scratch, { recursive: true })
  })
})
