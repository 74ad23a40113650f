import { status as grpcStatus } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import { setTimeout as delay } from 'node:timers/promises'
import { ConvoyError } from '../shared/errors.js'
import type { StatusReply } from '../shared/protocol/messages.js'
import { standardError, standardOutput } from '../shared/terminal.js'
import type { AdminTarget } from './admin-client.js'
import { adminAddressOf, callAdmin } from './admin-client.js'
import { onStopSignals } from './stop-signals.js'

/**
 * Shows a run until it ends: in place on a terminal, block after block elsewhere. A signal ends the process with status 130.
 * @throws ConvoyError('usage') when no run is found, ConvoyError('unavailable') when it does not answer
 */
export async function watchStatus(
  target: AdminTarget,
  run: string | undefined,
  everyMs: number,
  show: (status: StatusReply) => string,
): Promise<void> {
  const restoreSignals = onStopSignals(() => process.exit(130))
  // Looked up once: it may not become another run on the way.
  const admin = await adminAddressOf(target, run)
  const write = (text: string): void => {
    if (standardOutput.canRedraw) standardOutput.redrawBlock(text)
    else standardOutput.print(text)
  }
  let status = await callAdmin('status', { ...target, admin })
  for (;;) {
    write(show(status))
    if (['finished', 'stopped', 'failed'].includes(status.state)) break
    await delay(everyMs)
    try {
      status = await callAdmin('status', { ...target, admin })
    } catch (error) {
      if (!hasGone(error)) throw error
      // It ended between two looks, or died: who was there last cannot say which.
      standardError.notice(`The coordinator at ${admin} has gone.`)
      break
    }
  }
  restoreSignals()
}

/** Nobody listens there any more: the run is over. A coordinator that is there and does not answer is another matter. */
function hasGone(error: unknown): boolean {
  return error instanceof ConvoyError && (error.cause as ServiceError | undefined)?.code === grpcStatus.UNAVAILABLE
}
