import * as grpc from '@grpc/grpc-js'
import { findRunningRun } from '../coordinator/run-announcement.js'
import { ConvoyError } from '../shared/errors.js'
import type { StatusReply } from '../shared/protocol/messages.js'
import { parsePeerAddress } from '../shared/protocol/listen.js'
import { Admin, CHANNEL_OPTIONS } from '../shared/protocol/services.js'

export interface AdminTarget {
  /** `host:port`; else the run directory or the newest running run decides. */
  readonly admin?: string
  readonly runsDir: string
}

const DEADLINE_MS = 5_000

/**
 * Calls a coordinator's Admin service.
 * @throws ConvoyError('usage') when no run is found or another server answers, ConvoyError('unavailable') when none does
 */
export async function callAdmin(method: 'status', target: AdminTarget, run?: string): Promise<StatusReply>
export async function callAdmin(method: 'stop', target: AdminTarget, run?: string): Promise<void>
export async function callAdmin(method: 'status' | 'stop', target: AdminTarget, run?: string): Promise<unknown> {
  const address = target.admin ?? (await findRunningRun(target.runsDir, run)).adminAddress
  parsePeerAddress(address, '--admin')
  const client = new Admin(address, grpc.credentials.createInsecure(), CHANNEL_OPTIONS)
  try {
    return await new Promise((resolve, reject) => {
      client[method]({}, new grpc.Metadata(), { deadline: Date.now() + DEADLINE_MS }, (error, reply) => {
        if (error) reject(error)
        else resolve(reply)
      })
    })
  } catch (error) {
    const { code, details } = error as grpc.ServiceError
    switch (code) {
      case grpc.status.UNAVAILABLE:
      case grpc.status.DEADLINE_EXCEEDED:
        throw new ConvoyError('unavailable', `No coordinator answers at ${address}.`, { cause: error })
      case grpc.status.UNIMPLEMENTED:
        throw new ConvoyError(
          'usage',
          `--admin ${address}: no commands are taken there. Give the address of \`convoy coordinator --admin-listen\` (127.0.0.1:7701 by default).`,
          { cause: error },
        )
      default:
        throw new ConvoyError('internal', `The coordinator at ${address} refused: ${details}`, { cause: error })
    }
  } finally {
    client.close()
  }
}
