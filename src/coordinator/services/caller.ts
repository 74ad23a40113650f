import * as grpc from '@grpc/grpc-js'
import { ERROR_CODES } from '../../shared/error-codes.js'
import { ConvoyError } from '../../shared/errors.js'
import { SESSION_KEY, WORKER_KEY } from '../../shared/protocol/services.js'
import type { WorkerConnections } from '../worker-connections.js'

/** What a peer may know of an error: its text and status, never its stack. */
export function toStatus(thrown: unknown): Partial<grpc.StatusObject> {
  const error = ConvoyError.from(thrown)
  return { code: grpc.status[ERROR_CODES[error.code].grpcStatus], details: error.message }
}

/**
 * The worker that calls, proved by its session. The connection is its own from here on.
 * @throws ConvoyError('protocol') when it is not (or no longer) a worker of this run
 */
export function callerOf(
  connections: WorkerConnections,
  call: { readonly metadata: grpc.Metadata; readonly getPeer: () => string },
): number {
  const worker = Number(call.metadata.get(WORKER_KEY)[0])
  const session = String(call.metadata.get(SESSION_KEY)[0] ?? '')
  if (!Number.isInteger(worker) || !connections.authenticate(worker, session)) {
    throw new ConvoyError('protocol', 'Not a worker of this run (any more); join first.')
  }
  connections.calledFrom(worker, call.getPeer())
  return worker
}
