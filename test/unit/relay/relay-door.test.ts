import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RelayDoor } from '../../../src/relay/relay-door.js'
import type { ConvoyError } from '../../../src/shared/errors.js'
import type { JoinRequest } from '../../../src/shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../../../src/shared/protocol/messages.js'

const RUN = { run: '{}', runName: 'r', logLevel: 'warn' }

const request = (fingerprint: string): JoinRequest => ({
  ...{ protocol: PROTOCOL_VERSION, name: 'a', incarnation: 'i', host: 'h' },
  device: { kind: 'cpu', name: `a ${fingerprint}`, tensorflowVersion: '2', fingerprint },
})
const isIncompatible = ({ code, message }: ConvoyError): boolean =>
  code === 'incompatible' && message.includes('The worker computes on a g') && message.includes('this relay on a f')

describe('the door of a relay', () => {
  it('tells the device of the first worker that asks, and lets it in when the run is known', async () => {
    const door = new RelayDoor('upstream:1')
    const asked = door.untilAsked(new AbortController().signal)
    const offered = door.offer(request('f'))
    assert.equal((await asked)?.fingerprint, 'f')
    door.open(RUN)
    assert.deepEqual(await offered, RUN)
  })

  it('says that the relay has not joined, when that takes long', async () => {
    const door = new RelayDoor('upstream:1')
    await assert.rejects(
      door.offer(request('f')),
      ({ code, message }: ConvoyError) => code === 'unavailable' && message.includes('upstream:1'),
    )
  })

  it('is closed to workers of another device, until no worker is left', async () => {
    const door = new RelayDoor('upstream:1')
    door.open(RUN)
    await door.offer(request('f'))
    await assert.rejects(door.offer(request('g')), isIncompatible)
    door.forgetDevice()
    assert.deepEqual(await door.offer(request('g')), RUN)
    assert.equal(door.device?.fingerprint, 'g')
  })

  it('is closed to those whose request makes no sense', async () => {
    const door = new RelayDoor('upstream:1')
    const nonsense = { ...request('f'), device: undefined } as never
    await assert.rejects(door.offer(nonsense), ({ code }: ConvoyError) => code === 'protocol')
    assert.equal(door.device, undefined)
  })

  it('waits for no worker when the relay has to leave', async () => {
    const door = new RelayDoor('upstream:1')
    const leave = new AbortController()
    const asked = door.untilAsked(leave.signal)
    leave.abort()
    assert.equal(await asked, undefined)
    assert.equal(await door.untilAsked(leave.signal), undefined)
  })
})
