import type { FromCoordinator, Refusal } from './messages.js'

/**
 * Messages between a coordinator and the compute threads of workers on its machine, whose vectors lie in shared files. They go over a
 * socket in the directory of these files, see {@link MessageSocket}. All else of a worker goes over gRPC.
 */
export interface ToLocalWorker extends Pick<FromCoordinator, 'lease' | 'revoke'> {
  /** The answer to `hello`: leases come over this connection from now on. */
  readonly welcome?: true
  readonly refused?: Refusal
}

export interface FromLocalWorker {
  /** The first message: id and session of the membership. */
  readonly hello?: { readonly worker: number; readonly session: string }
  /** The result of a lease lies in the shared file of the worker. */
  readonly result?: { readonly lease: number }
}
