import type { Log } from '../shared/log/log.js'
import type { OwnCompute } from '../training/own-compute.js'
import type { DeviceChoice } from '../tensorflow/runtime/device-choice.js'

export interface LaunchOptions {
  /** `host:port` that the workers join. */
  readonly address: string
  /** Where their logs go. */
  readonly runDirectory: string
  /** How many; undefined: as many as the place has GPUs or cores for. */
  readonly count: number | undefined
  /** Device of the workers. */
  readonly device: DeviceChoice
  /** Least urgent level of their log lines. */
  readonly logLevel: string
  readonly log: Log
  /** Process id of the coordinator, when that is another process. */
  readonly coordinatorPid?: () => number | undefined
  /** To be called when all of them ended and none will start again. Ends the run, unless other workers take part. */
  readonly onNoneLeft: (why: string) => void
}

/** The workers that a run started itself. */
export interface OwnWorkers {
  /** How many of them start now: they may join soon. */
  starting(): number
  /** Computes in the process of the coordinator, until workers are faster. Absent: only workers compute. */
  readonly compute?: OwnCompute
  /** Settles when all have ended; the coordinator has sent them `finish`. */
  close(): Promise<void>
}

/** A way to start a run's own workers, for `convoy train --launcher`. */
export interface Launcher {
  readonly name: string
  /** For the help of `--launcher`. */
  readonly description: string
  /** Whether its workers live in the process of the coordinator, and die with it. */
  readonly inCoordinator?: boolean
  /** Called before the run is opened, to begin what takes time. It reports no errors: launch does. */
  prepare?(device: DeviceChoice): void
  launch(options: LaunchOptions): OwnWorkers
}
