import os from 'node:os'
import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import { ConvoyError } from '../shared/errors.js'
import { describeUnreachable } from '../shared/own-shortage.js'
import type { JoinReply, JoinRequest } from '../shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../shared/protocol/messages.js'
import type { ControlClient } from '../shared/protocol/services.js'

const JOIN_DEADLINE_MS = 5_000

/**
 * Asks a coordinator to take part in its run.
 * @param address of the coordinator, for messages
 * @throws ConvoyError('incompatible') when the coordinator rejects this worker; ConvoyError('unavailable') when it cannot be reached;
 * ConvoyError('protocol') for an empty answer
 */
export async function joinRun(
  client: ControlClient,
  address: string,
  worker: Pick<JoinRequest, 'name' | 'incarnation' | 'device'>,
): Promise<JoinReply> {
  const { name, incarnation, device } = worker
  const request: JoinRequest = {
    ...{ protocol: PROTOCOL_VERSION, name, device: { ...device }, incarnation },
    host: os.hostname(),
  }
  const call = promisify<JoinRequest, grpc.Metadata, grpc.CallOptions, JoinReply | undefined>(client.join.bind(client))
  try {
    const reply = await call(request, new grpc.Metadata(), { deadline: Date.now() + JOIN_DEADLINE_MS })
    if (reply === undefined) throw new ConvoyError('protocol', `${address} answered the join with nothing.`)
    return reply
  } catch (error) {
    throw connectionError(error, address)
  }
}

/** The error of a call to the coordinator. @returns ConvoyError('incompatible') when joining again cannot help, else ('unavailable') */
export function connectionError(thrown: unknown, address: string): ConvoyError {
  if (thrown instanceof ConvoyError) return thrown
  const { code, details } = thrown as grpc.ServiceError
  switch (code) {
    case grpc.status.FAILED_PRECONDITION:
      return new ConvoyError('incompatible', details, { cause: thrown })
    case grpc.status.UNAVAILABLE:
    case grpc.status.DEADLINE_EXCEEDED:
    case grpc.status.CANCELLED:
      return new ConvoyError('unavailable', describeUnreachable(address, details), { cause: thrown })
    default:
      return new ConvoyError('unavailable', `The coordinator at ${address} broke off: ${details || String(thrown)}`, {
        cause: thrown,
      })
  }
}
