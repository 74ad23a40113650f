import assert from 'node:assert/strict'
import type { Json } from '../../support/launch.js'
import { Launch } from '../../support/launch.js'
import type { FleetOptions, FleetWorker } from './fleet.js'
import { Fleet } from './fleet.js'
import type { KernelLink } from './kernel-link.js'
import { stepsViolation } from './step-ledger.js'
import { tinyDataset } from '../../support/tiny-dataset.js'

/** Enough steps that a fault after {@link MIDDLE_STEPS} is in the middle of the run on any machine. */
const STEPS = 48
const MIDDLE_STEPS = 8

/** Limit for the detection of a closed connection. */
export const CLOSED_MS = 1_000
/** Limit for the detection of a frozen peer or a partition. */
export const SILENT_MS = 4_000

/** Runs with a fault, and the undisturbed run that they are compared with. */
export class FaultOracle {
  readonly #data = tinyDataset()
  readonly #run = [
    ...['--recipe', 'quick', '--seed', '7', '--data', this.#data.directory, '--epochs', '100'],
    ...['--max-steps', `${STEPS}`, '--batch-size', '32', '--shard-size', '8'],
  ]
  #expected: Promise<Json> | undefined

  /** A coordinator without workers. */
  fleet({ environment, ...options }: Partial<FleetOptions> = {}): Fleet {
    return new Fleet({ run: this.#run, environment: { ...this.#data.environment, ...environment }, ...options })
  }

  /**
   * Starts workers `a`, `b` … (without shared memory, unless other flags are given), injects the fault in the middle of the run, and checks the end: exit
   * status 0 everywhere, every step once and in order, the weights of the undisturbed run.
   */
  async survives(
    workers: number,
    fault: (fleet: Fleet, workers: FleetWorker[]) => Promise<unknown>,
    flags: readonly string[] = ['--no-shared-memory'],
    options: Partial<FleetOptions> = {},
  ): Promise<void> {
    const names = Array.from('abcd').slice(0, workers)
    const fleet = this.fleet(options)
    await this.#undergo(
      fleet,
      names.map(async (name) => fleet.add(name, ...flags)),
      fault,
    )
  }

  /** Like {@link survives}, with one worker `a` at the other end of a link in the kernel. */
  async survivesBeyond(link: KernelLink, fault: (fleet: Fleet) => Promise<unknown>): Promise<void> {
    const fleet = this.fleet({ host: link.coordinatorHost })
    await this.#undergo(fleet, [fleet.addBeyond(link, 'a', '--no-shared-memory')], fault)
  }

  /** Waits for the end of the run and checks it. */
  async check(fleet: Fleet): Promise<void> {
    this.#expected ??= new Launch(['train', ...this.#run, '--standalone', '--json'], this.#data.environment).result()
    const [result, expected] = await Promise.all([fleet.coordinator.result(), this.#expected])
    assert.match(String(expected['weightsSha256']), /^[0-9a-f]{64}$/)
    assert.equal(result['weightsSha256'], expected['weightsSha256'])
    assert.equal(stepsViolation(await fleet.coordinator.metrics(), STEPS), undefined)
  }

  async #undergo(
    fleet: Fleet,
    starting: readonly Promise<FleetWorker>[],
    fault: (fleet: Fleet, workers: FleetWorker[]) => Promise<unknown>,
  ): Promise<void> {
    try {
      const workers = await Promise.all(starting)
      await Promise.all([...fleet.workers.keys()].map(async (name) => fleet.joined(name)))
      await fleet.moreSteps(MIDDLE_STEPS)
      await fault(fleet, workers)
      await this.check(fleet)
    } finally {
      fleet.close()
    }
  }

  remove(): void {
    this.#data.remove()
  }
}
