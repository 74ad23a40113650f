import * as grpc from '@grpc/grpc-js'
import type { FromCoordinator, FromWorker, JoinReply, JoinRequest } from '../../shared/protocol/messages.js'
import type { WorkerConnections } from '../worker-connections.js'
import { callerOf, toStatus } from './caller.js'

/**
 * Control of proto/convoy.proto: membership, leases, heartbeats. A handler that throws answers with a status.
 * @param join admits a worker and answers what it learns; its error is the answer too
 */
export function controlService(
  connections: WorkerConnections,
  join: (request: JoinRequest) => JoinReply | Promise<JoinReply>,
): grpc.UntypedServiceImplementation {
  return {
    join(call: grpc.ServerUnaryCall<JoinRequest, JoinReply>, reply: grpc.sendUnaryData<JoinReply>): void {
      const joined = async (): Promise<JoinReply> => join(call.request)
      joined().then(
        (answer) => {
          reply(null, answer)
        },
        (error: unknown) => {
          reply(toStatus(error))
        },
      )
    },

    work(stream: grpc.ServerDuplexStream<FromWorker, FromCoordinator>): void {
      let worker: number
      try {
        worker = callerOf(connections, stream)
        connections.connect(worker, {
          send: (message) => stream.write(message),
          // Not destroy(): it closes this side only, and a worker that froze for a while would never learn that it has to join again.
          drop: (reason) => stream.emit('error', { code: grpc.status.ABORTED, details: reason }),
        })
      } catch (error) {
        stream.emit('error', toStatus(error))
        return
      }
      // Proves to the worker that the stream is open, before any lease.
      stream.sendMetadata(new grpc.Metadata())
      stream.on('data', (message: FromWorker) => {
        try {
          connections.receive(worker, message)
        } catch (error) {
          // Before its stream ends: the end alone would pass for a lost connection.
          connections.disconnect(worker, 'sent a message that makes no sense')
          stream.emit('error', toStatus(error))
        }
      })
      stream.on('end', () => {
        connections.disconnect(worker, 'connection lost')
        stream.end()
      })
      stream.on('cancelled', () => {
        connections.disconnect(worker, 'connection lost')
      })
      stream.on('error', () => {
        connections.disconnect(worker, 'connection lost')
      })
    },
  }
}
