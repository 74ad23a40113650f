import os from 'node:os'
import path from 'node:path'
import * as grpc from '@grpc/grpc-js'
import { findRunningRun } from './run-announcement.js'
import type { ErrorCode } from '../shared/error-codes.js'
import { ERROR_CODES } from '../shared/error-codes.js'
import { ConvoyError } from '../shared/errors.js'
import type {
  CheckpointReply,
  ContinueReply,
  DrainReply,
  DrainRequest,
  PauseReply,
  StatusReply,
} from '../shared/protocol/messages.js'
import { describeUnreachable } from '../shared/own-shortage.js'
import { parsePeerAddress } from '../shared/protocol/addresses.js'
import { Admin, CHANNEL_OPTIONS, CODE_KEY } from '../shared/protocol/services.js'

export interface AdminTarget {
  /** `host:port`. Default: the address that the run directory, or the newest running run, announces. */
  readonly admin?: string
  readonly runsDir: string
}

interface Replies {
  readonly status: StatusReply
  readonly stop: object
  readonly pause: PauseReply
  readonly continue: ContinueReply
  readonly checkpoint: CheckpointReply
  readonly drain: DrainReply
}
export type AdminMethod = keyof Replies
export type AdminReply<Method extends AdminMethod> = Replies[Method]
type AdminRequest<Method extends AdminMethod> = Method extends 'drain' ? DrainRequest : object
type AdminCall<Method extends AdminMethod> = (
  request: AdminRequest<Method>,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  callback: (error: grpc.ServiceError | null, reply?: AdminReply<Method>) => void,
) => void

/** Calls that are answered at once. The others last as long as what they wait for; keepalive ends them when the coordinator is gone. */
const SHORT: readonly AdminMethod[] = ['status', 'stop', 'continue']
const DEADLINE_MS = 5_000

/**
 * The admin address of a coordinator: the target's, or the one announced in the run directory. The address of a run in another container
 * or on another machine may be unreachable from here, or belong to another coordinator, so the run directory in its answer is compared.
 * @throws ConvoyError('usage') when no run is found, ConvoyError('unavailable') when it cannot be reached from here
 */
export async function adminAddressOf(target: AdminTarget, run?: string): Promise<string> {
  if (target.admin !== undefined) return target.admin
  const { adminAddress, runDirectory, host = 'another host' } = await findRunningRun(target.runsDir, run)
  const isElsewhere = (found: string, cause?: unknown): ConvoyError =>
    new ConvoyError(
      'unavailable',
      `${found} at ${adminAddress}; the coordinator of ${runDirectory} is on ${host}. Run this command there, or give an address with --admin host:port.`,
      { cause },
    )
  const status = await callAdmin('status', { ...target, admin: adminAddress }).catch((error: unknown) => {
    throw host === os.hostname() ? error : isElsewhere('No coordinator answers', error)
  })
  if (path.basename(status.runDirectory) === path.basename(runDirectory)) return adminAddress
  throw isElsewhere(`The coordinator of ${status.runDirectory} answers`)
}

/**
 * Calls a coordinator's Admin service.
 * @throws ConvoyError('usage') when no run is found or another server answers, ConvoyError('unavailable') when none does; the coordinator's
 *   own error
 */
export async function callAdmin<Method extends AdminMethod>(
  method: Method,
  target: AdminTarget,
  run?: string,
  request = {} as AdminRequest<Method>,
): Promise<AdminReply<Method>> {
  const address = await adminAddressOf(target, run)
  parsePeerAddress(address, '--admin')
  const client = new Admin(address, grpc.credentials.createInsecure(), CHANNEL_OPTIONS)
  const options = SHORT.includes(method) ? { deadline: Date.now() + DEADLINE_MS } : {}
  const call = client[method].bind(client) as AdminCall<Method>
  try {
    return await new Promise((resolve, reject) => {
      call(request, new grpc.Metadata(), options, (error, reply) => {
        if (error) reject(error)
        else resolve(reply!)
      })
    })
  } catch (error) {
    throw callError(error as grpc.ServiceError, address, method)
  } finally {
    client.close()
  }
}

function callError(error: grpc.ServiceError, address: string, method: AdminMethod): ConvoyError {
  const { code, details, metadata } = error
  const [given] = metadata.get(CODE_KEY)
  const known = Object.keys(ERROR_CODES).find((one) => one === given) as ErrorCode | undefined
  if (known !== undefined && known !== 'internal') return new ConvoyError(known, details, { cause: error })
  switch (code) {
    case grpc.status.UNAVAILABLE:
    case grpc.status.DEADLINE_EXCEEDED:
      return new ConvoyError('unavailable', describeUnreachable(address, details), { cause: error })
    case grpc.status.UNIMPLEMENTED:
      if (method !== 'status' && method !== 'stop')
        return new ConvoyError(
          'incompatible',
          `The coordinator at ${address} is of an earlier version, which cannot do this.`,
          {
            cause: error,
          },
        )
      return new ConvoyError(
        'usage',
        `--admin ${address}: no coordinator takes commands at this address. Give the address of \`convoy coordinator --admin-listen\` (127.0.0.1:7701 by default).`,
        { cause: error },
      )
    default:
      return new ConvoyError('internal', `The coordinator at ${address} rejected the call: ${details}`, {
        cause: error,
      })
  }
}
