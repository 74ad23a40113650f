import assert from 'node:assert/strict'
import * as grpc from '@grpc/grpc-js'
import type { DeviceDescription } from '../../../src/tensorflow/engine/engine.js'
import type { JoinRequest } from '../../../src/shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../../../src/shared/protocol/messages.js'
import { Control } from '../../../src/shared/protocol/services.js'
import { MAX_TEXT } from '../../../src/shared/protocol/text-bounds.js'
import type { SeededDraws } from '../../../src/simulation/seeded-draws.js'
import type { CallEnd, RawPeers } from './raw-peer.js'
import { beginCall, credentialsOf, join } from './raw-peer.js'

/** The target of an attack. */
export interface Target {
  /** `host:port` that workers join. */
  readonly address: string
  readonly adminAddress: string
  /** Device of an honest worker, which is no secret. */
  readonly device: DeviceDescription
}

type Attack = (target: Target, peers: RawPeers, draws: SeededDraws, index: number) => Promise<void>

const MAX_NAME = 200
const HUGE = 4 * 2 ** 20
/** The beginning of a TLS 1.2 hello: record, handshake, version. */
const TLS_HELLO = Buffer.from('16030100c8010000c40303', 'hex')
const HTTP2_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

const bothPorts = ({ address, adminAddress }: Target, draws: SeededDraws): string => draws.pick([address, adminAddress])

function request({ device }: Target, index: number): JoinRequest {
  const who = `liar ${index}`
  return { protocol: PROTOCOL_VERSION, name: who, incarnation: who, host: 'h', device: { ...device } }
}

/** Asserts that a call was rejected. A closed connection is accepted as well. */
function assertRejected(end: CallEnd, ...codes: grpc.status[]): void {
  const refusals: CallEnd[] = ['closed', ...codes]
  assert.ok(refusals.includes(end), `a hostile join ended with ${end === 'closed' ? end : grpc.status[end]}`)
}

/** The text fields of a join with their maximum lengths. */
const FIELDS: readonly [max: number, put: (request: JoinRequest, text: string) => JoinRequest][] = [
  [MAX_NAME, (joining, name) => ({ ...joining, name })],
  [MAX_TEXT.incarnation, (joining, incarnation) => ({ ...joining, incarnation })],
  [MAX_TEXT.host, (joining, host) => ({ ...joining, host })],
  [MAX_TEXT.deviceName, (joining, name) => ({ ...joining, device: { ...joining.device, name } })],
  [MAX_TEXT.fingerprint, (joining, fingerprint) => ({ ...joining, device: { ...joining.device, fingerprint } })],
  [
    MAX_TEXT.tensorflowVersion,
    (joining, tensorflowVersion) => ({ ...joining, device: { ...joining.device, tensorflowVersion } }),
  ],
]

const { INVALID_ARGUMENT, FAILED_PRECONDITION, RESOURCE_EXHAUSTED, INTERNAL } = grpc.status

/** Every kind of hostile join. Connections stay open unless stated otherwise. */
export const ATTACKS = {
  'a text just above its bound': async (target, peers, draws, index) => {
    const [max, put] = draws.pick(FIELDS)
    const session = await peers.http2(target.address)
    const { end } = await join(session, put(request(target, index), 'x'.repeat(max + 1)))
    assertRejected(end, INVALID_ARGUMENT, FAILED_PRECONDITION)
  },
  'a text of 4 MiB': async (target, peers, draws, index) => {
    const [, put] = draws.pick(FIELDS)
    const session = await peers.http2(target.address)
    const { end } = await join(session, put(request(target, index), 'x'.repeat(HUGE)))
    assertRejected(end, RESOURCE_EXHAUSTED)
  },
  'a text of almost 1 MiB': async (target, peers, draws, index) => {
    const [, put] = draws.pick(FIELDS)
    const session = await peers.http2(target.address)
    const { end } = await join(session, put(request(target, index), 'x'.repeat(HUGE / 4 - 1_000)))
    assertRejected(end, INTERNAL)
  },
  'a false fingerprint': async (target, peers, _draws, index) => {
    const session = await peers.http2(target.address)
    const joining = request(target, index)
    const { end } = await join(session, { ...joining, device: { ...joining.device, fingerprint: `liar ${index}` } })
    assertRejected(end, FAILED_PRECONDITION)
  },
  'another protocol version': async (target, peers, draws, index) => {
    const session = await peers.http2(target.address)
    const { end } = await join(session, { ...request(target, index), protocol: draws.below(2 ** 31) + 4 })
    assertRejected(end, FAILED_PRECONDITION)
  },
  'no control stream after the join': async (target, peers, _draws, index) => {
    await join(await peers.http2(target.address), request(target, index))
  },
  'the same name and incarnation again': async (target, peers, draws) => {
    const session = await peers.http2(target.address)
    await join(session, request(target, -1 - draws.below(4)))
  },
  'a control stream that is dropped at once': async (target, peers, draws, index) => {
    const session = await peers.http2(target.address)
    const { reply } = await join(session, request(target, index))
    const stream = beginCall(session, Control.service['Work']!.path, reply && credentialsOf(reply))
    if (draws.chance(0.5)) peers.breakOff(session)
    else stream.close(8)
  },
  'a control stream that says nothing': async (target, peers, _draws, index) => {
    const session = await peers.http2(target.address)
    const { reply } = await join(session, request(target, index))
    beginCall(session, Control.service['Work']!.path, reply && credentialsOf(reply))
  },
  'streams without a join': async (target, peers) => {
    const session = await peers.http2(target.address)
    for (let count = 0; count < 20; count++) {
      const stream = beginCall(session, Control.service['Work']!.path)
      if (count % 2) stream.close(8)
    }
  },
  'half a message': async (target, peers, draws) => {
    const session = await peers.http2(bothPorts(target, draws))
    beginCall(session, Control.service['Join']!.path, {}, Buffer.from([0, 0, 15, 0, 0, 1, 2, 3]))
  },
  'a bare connection': async (target, peers, draws) => {
    await peers.tcp(bothPorts(target, draws))
  },
  'a half-open connection': async (target, peers, draws) => {
    ;(await peers.tcp(bothPorts(target, draws))).end()
  },
  'half a preface': async (target, peers, draws) => {
    const socket = await peers.tcp(bothPorts(target, draws))
    socket.write(HTTP2_PREFACE.slice(0, 1 + draws.below(HTTP2_PREFACE.length - 1)))
  },
  'HTTP/1.1': async (target, peers, draws) => {
    ;(await peers.tcp(bothPorts(target, draws))).write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  },
  'a TLS hello': async (target, peers, draws) => {
    ;(await peers.tcp(bothPorts(target, draws))).write(TLS_HELLO)
  },
} as const satisfies Record<string, Attack>

export type AttackKind = keyof typeof ATTACKS
