import type { Fleet, FleetWorker } from './fleet.js'

/** Steps before each fault, so that it is in the middle of the run. */
const STEPS_BEFORE = 4

/**
 * A run that undergoes faults one after the other, and is checked at its end. Faults share a run where they leave its workers alive: starting
 * processes takes longer than most faults.
 */
export class FaultRun {
  readonly #start: () => Promise<{ fleet: Fleet; workers: FleetWorker[] }>
  readonly #check: (fleet: Fleet) => Promise<void>
  #started: Promise<{ fleet: Fleet; workers: FleetWorker[] }> | undefined
  #hasFailed = false

  /** @param start the processes of the run, for the first fault @param check of the end of the run */
  constructor(start: () => Promise<{ fleet: Fleet; workers: FleetWorker[] }>, check: (fleet: Fleet) => Promise<void>) {
    this.#start = start
    this.#check = check
  }

  /** Injects a fault some steps later. @throws Error when an earlier fault of this run failed */
  async undergoes(fault: (fleet: Fleet, workers: FleetWorker[]) => Promise<unknown>): Promise<void> {
    if (this.#hasFailed) throw new Error('an earlier fault of the same run failed')
    this.#hasFailed = true
    const { fleet, workers } = await (this.#started ??= this.#start())
    await fleet.moreSteps(STEPS_BEFORE)
    await fault(fleet, workers)
    this.#hasFailed = false
  }

  /** Waits for the end of the run and checks it, unless a fault failed; removes everything. */
  async end(): Promise<void> {
    if (this.#started === undefined) return
    const { fleet } = await this.#started
    try {
      if (!this.#hasFailed) await this.#check(fleet)
    } finally {
      fleet.close()
    }
  }
}
