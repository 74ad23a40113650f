/** A run in processes that can be killed; they are restarted at once, and go on. */
export interface KillableRun {
  /** Settles at the end of the first step. @throws ConvoyError('environment') when the run fails */
  readonly firstStep: Promise<void>
  /** Settles at the end of the run. @throws ConvoyError('environment') when the run fails */
  readonly ended: Promise<void>
  /** SIGKILL to a worker. @returns false when none lives */
  killWorker(): boolean
  /** SIGKILL to the coordinator; without one, to rank 0. @returns false when it does not live */
  killCoordinator(): boolean
  /** The end of what its processes printed, to explain why it hangs. */
  lastWords(): string
  /** Of a run that ended. */
  record(): RunRecord
  /** Ends all processes. */
  close(): Promise<void>
}

export interface RunRecord {
  /** From the end of the first step to the end of the last one. */
  readonly seconds: number
  /** The end of the last step, in milliseconds since 1970. */
  readonly endedMs: number
  /** Of it in validations. Peers have none. */
  readonly validationSeconds: number
  /** Processor time of a worker from its start to the end of the first step, the mean over all workers. */
  readonly startSeconds: number
  /** Steps that were applied and lost, and so computed again. */
  readonly stepsTwice: number
  /** Samples of the run's steps that the weights do not have, or have twice. */
  readonly samplesOff: number
  readonly weightsSha256: string
  /** From each death of the coordinator to the end of the first new step. Peers: none. */
  readonly restartSeconds: readonly number[]
}

/** The training of all contestants. */
export interface KillableTask {
  readonly network: string
  /** `--data`; undefined: the embedded CIFAR-10. */
  readonly data: string | undefined
  readonly workers: number
  readonly steps: number
}

export interface KillableContestant {
  /** Such as `Convoy, 2 workers`. */
  readonly name: string
  /** Whether the coordinator is one of the workers. */
  readonly hasCoordinatingWorker: boolean
  /** @param directory an empty one, for everything that the run keeps */
  start(task: KillableTask, directory: string): Promise<KillableRun>
}

const POLL_MS = 100

/** Waits until there is a value. @throws the reason of the signal when it fires */
export async function untilFound<Value>(find: () => Value | undefined, signal: AbortSignal): Promise<Value> {
  for (;;) {
    signal.throwIfAborted()
    const value = find()
    if (value !== undefined) return value
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
