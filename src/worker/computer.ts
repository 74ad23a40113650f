import type { FromCompute, ToCompute } from './compute-messages.js'

/** Callbacks of the session that uses a computer. */
export interface ComputeListener {
  readonly onMessage: (message: FromCompute) => void
  /** It can compute no more for this membership. */
  readonly onBroken: (error: Error) => void
}

/** What computes the leases of a membership: a thread with TensorFlow, or the workers of a relay. */
export interface Computer {
  /** In this process: its memory and its GPU are those of the worker. */
  readonly isHere: boolean
  /**
   * Gets ready for a run.
   * @returns whether shared files can be used, and why they could not be opened, if so
   * @throws ConvoyError('data') when the data set is not in this machine's cache
   */
  prepare(
    message: Omit<Extract<ToCompute, { kind: 'prepare' }>, 'kind'>,
  ): Promise<{ shared: boolean; sharingProblem?: string }>
  send(message: ToCompute): void
  /** Sets the listener: that of the current session. @param listener absent: none, the membership is over */
  listen(listener?: ComputeListener): void
}

/** Listens to nothing. */
export const DEAF: ComputeListener = { onMessage: () => undefined, onBroken: () => undefined }
