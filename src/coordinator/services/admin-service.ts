import * as grpc from '@grpc/grpc-js'
import { ConvoyError } from '../../shared/errors.js'
import { repliesLike } from '../../shared/protocol/checksum.js'
import type {
  CheckpointReply,
  ContinueReply,
  DrainReply,
  DrainRequest,
  PauseReply,
  StatusReply,
} from '../../shared/protocol/messages.js'
import { CODE_KEY } from '../../shared/protocol/services.js'
import { toStatus } from './caller.js'

/** What the calls do. Those that take long are answered when it is done. */
export interface AdminActions {
  status(): StatusReply
  /** Ends the run after the step it is in. */
  stop(): void
  pause(): Promise<PauseReply>
  continue(): ContinueReply
  checkpoint(): Promise<CheckpointReply>
  /** @param worker name or number */
  drain(worker: string): Promise<DrainReply>
}

/** Admin of proto/convoy.proto. */
export function adminService(actions: AdminActions): grpc.UntypedServiceImplementation {
  return {
    status: unary(() => actions.status()),
    stop: unary(() => (actions.stop(), {})),
    pause: unary(async () => actions.pause()),
    continue: unary(() => actions.continue()),
    checkpoint: unary(async () => actions.checkpoint()),
    drain: unary(async ({ worker }: DrainRequest) => actions.drain(worker)),
  }
}

function unary<Request extends object, Reply extends object>(answer: (request: Request) => Reply | Promise<Reply>) {
  return ({ request }: { readonly request: Request }, reply: grpc.sendUnaryData<Reply>): void => {
    const answered = async (): Promise<Reply> => answer(request)
    answered().then(
      (message) => {
        reply(null, repliesLike(request, message))
      },
      (error: unknown) => {
        const metadata = new grpc.Metadata()
        metadata.set(CODE_KEY, ConvoyError.from(error).code)
        reply({ ...toStatus(error), metadata })
      },
    )
  }
}
