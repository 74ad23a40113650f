import os from 'node:os'
import path from 'node:path'
import * as grpc from '@grpc/grpc-js'
import { findRunningRun } from '../coordinator/run-announcement.js'
import { ConvoyError } from '../shared/errors.js'
import type { StatusReply } from '../shared/protocol/messages.js'
import { describeUnreachable } from '../shared/own-shortage.js'
import { parsePeerAddress } from '../shared/protocol/addresses.js'
import { Admin, CHANNEL_OPTIONS } from '../shared/protocol/services.js'

export interface AdminTarget {
  /** `host:port`. Default: the address that the run directory, or the newest running run, announces. */
  readonly admin?: string
  readonly runsDir: string
}

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
 * @throws ConvoyError('usage') when no run is found or another server answers, ConvoyError('unavailable') when none does
 */
export async function callAdmin(method: 'status', target: AdminTarget, run?: string): Promise<StatusReply>
export async function callAdmin(method: 'stop', target: AdminTarget, run?: string): Promise<void>
export async function callAdmin(method: 'status' | 'stop', target: AdminTarget, run?: string): Promise<unknown> {
  const address = await adminAddressOf(target, run)
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
        throw new ConvoyError('unavailable', describeUnreachable(address, details), { cause: error })
      case grpc.status.UNIMPLEMENTED:
        throw new ConvoyError(
          'usage',
          `--admin ${address}: no coordinator takes commands at this address. Give the address of \`convoy coordinator --admin-listen\` (127.0.0.1:7701 by default).`,
          { cause: error },
        )
      default:
        throw new ConvoyError('internal', `The coordinator at ${address} rejected the call: ${details}`, {
          cause: error,
        })
    }
  } finally {
    client.close()
  }
}
