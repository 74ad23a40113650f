/** What the main thread of a worker passes to its compute thread, in Node's environment data of threads. */
export interface ComputeSettings {
  /** See {@link syntheticComputer}. */
  readonly waitMs: number
  /** Memory of the {@link WorkerSteps}. */
  readonly steps: SharedArrayBuffer
}

export const COMPUTE_SETTINGS = 'convoy.bench.exchange'
