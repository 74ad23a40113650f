import type * as grpc from '@grpc/grpc-js'
import { repliesLike } from '../../shared/protocol/checksum.js'
import type { StatusReply } from '../../shared/protocol/messages.js'
import { toStatus } from './caller.js'

export interface AdminActions {
  status(): StatusReply
  /** Ends the run after the step it is in. */
  stop(): void
}

/** Admin of proto/convoy.proto. */
export function adminService(actions: AdminActions): grpc.UntypedServiceImplementation {
  return { status: unary(() => actions.status()), stop: unary(() => (actions.stop(), {})) }
}

function unary<Reply extends object>(answer: () => Reply) {
  return ({ request }: { readonly request: object }, reply: grpc.sendUnaryData<Reply>): void => {
    try {
      reply(null, repliesLike(request, answer()))
    } catch (error) {
      reply(toStatus(error))
    }
  }
}
