import { ConvoyError } from '../shared/errors.js'
import type { OpenedRunOnDisk, RunOnDisk } from './run-on-disk.js'
import type { SimulatedCoordinator } from './simulated-coordinator.js'
import type { CoordinatorDeath } from './storage-scenario.js'
import type { VirtualTime } from './virtual-time.js'

export interface CoordinatorMachineOptions {
  readonly time: VirtualTime
  readonly run: RunOnDisk
  /** Makes the process that goes on with the run, once that has read what is on disk. */
  readonly newCoordinator: (opened: OpenedRunOnDisk) => SimulatedCoordinator
  readonly train: (coordinator: SimulatedCoordinator, opened: OpenedRunOnDisk) => void
  /** Called when the process is dead: its connections close. */
  readonly onDeath: () => void
  /** Called when it cannot go on, and no fault of the disk is the reason. */
  readonly onLost: (error: ConvoyError) => void
  /** Logs a line. */
  readonly record: (line: string) => void
}

/** A coordinator that cannot read its run is started again after this time. */
const RETRY_MS = 1_000

/** The machine of the coordinator: a process that is started again whenever it died, and the disk with its run. */
export class CoordinatorMachine {
  readonly #options: CoordinatorMachineOptions
  #coordinator: SimulatedCoordinator | undefined
  #isStartDue = false
  /** In which of its calls to the disk the next process dies. */
  #planned: CoordinatorDeath | undefined

  constructor(options: CoordinatorMachineOptions) {
    this.#options = options
  }

  /** Undefined: it is down. */
  get coordinator(): SimulatedCoordinator | undefined {
    return this.#coordinator
  }

  start(): void {
    const { run, newCoordinator, train, onLost, record } = this.#options
    const process = run.newProcess()
    const planned = this.#planned
    this.#planned = undefined
    if (planned !== undefined) this.#plan(planned)
    try {
      const opened = run.open(process)
      this.#coordinator = newCoordinator(opened)
      train(this.#coordinator, opened)
    } catch (error) {
      if (!process.isAlive) return
      process.kill()
      const { message } = ConvoyError.from(error)
      if (process.failures === 0) return onLost(ConvoyError.from(error))
      record(`the coordinator cannot start: ${message}`)
      this.#startAfter(RETRY_MS)
    }
  }

  /** At once, or in one of its next calls to the disk. */
  kill(death: CoordinatorDeath): void {
    if (death.calls === undefined) this.#die(death)
    else if (this.#options.run.process?.isAlive === true) this.#plan(death)
    else this.#planned = death
  }

  /** Whatever was planned does not happen any more. */
  spare(): void {
    this.#planned = undefined
    this.#options.run.process?.killInCall(Infinity, () => undefined)
  }

  #plan(death: CoordinatorDeath): void {
    this.#options.run.process!.killInCall(death.calls ?? 1, () => {
      this.#die(death)
    })
  }

  #die({ kind, backAfterMs, next }: CoordinatorDeath): void {
    const { run, onDeath, record } = this.#options
    const dead = this.#coordinator
    record(kind === 'power-cut' ? 'the power is cut' : 'the coordinator dies')
    this.#coordinator = undefined
    this.#planned = next ?? this.#planned
    if (kind === 'power-cut') run.cutPower()
    else run.process!.kill()
    onDeath()
    dead?.kill()
    this.#startAfter(backAfterMs)
  }

  #startAfter(ms: number): void {
    if (this.#isStartDue) return
    this.#isStartDue = true
    this.#options.time.after(ms, () => {
      this.#isStartDue = false
      this.#options.record('the coordinator is back')
      this.start()
    })
  }
}
