import { status as grpcStatus } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import { setTimeout as delay } from 'node:timers/promises'
import { ConvoyError } from '../shared/errors.js'
import type { StatusReply } from '../shared/protocol/messages.js'
import { standardError, standardOutput } from '../shared/terminal.js'
import type { AdminTarget } from '../coordinator/admin-client.js'
import { adminAddressOf, callAdmin } from '../coordinator/admin-client.js'
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
  // Looked up once, so that the status stays that of the same run.
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
      // It ended or died since the last call; the last status does not show which.
      standardError.printLine(`The coordinator at ${admin} no longer answers: its run ended.`)
      break
    }
  }
  restoreSignals()
}

/** Whether nothing listens at the address any more: the run is over. A coordinator that listens but does not answer is an error. */
function hasGone(error: unknown): boolean {
  return error instanceof ConvoyError && (error.cause as ServiceError | undefined)?.code === grpcStatus.UNAVAILABLE
}
