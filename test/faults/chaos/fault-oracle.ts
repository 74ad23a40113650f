import assert from 'node:assert/strict'
import type { Json } from '../../support/launch.js'
import { Launch } from '../../support/launch.js'
import { FaultRun } from './fault-run.js'
import type { FleetOptions, FleetWorker } from './fleet.js'
import { Fleet } from './fleet.js'
import type { KernelLink } from './kernel-link.js'
import { stepsViolation } from './step-ledger.js'
import { tinyDataset } from '../../support/tiny-dataset.js'

/** Enough for one fault on any machine. */
const STEPS = 48

/** Limit for the detection of a closed connection. */
export const CLOSED_MS = 1_000
/** Limit for the detection of a frozen peer or a partition. */
export const SILENT_MS = 4_000

/** Runs with a fault, and the undisturbed run that they are compared with. */
export class FaultOracle {
  readonly #data = tinyDataset()
  readonly #steps: number
  readonly #run: readonly string[]
  #expected: Promise<Json> | undefined

  /** @param steps of each run: enough for all faults that share one */
  constructor(steps = STEPS) {
    this.#steps = steps
    this.#run = [
      ...['--recipe', 'quick', '--seed', '7', '--data', this.#data.directory, '--epochs', '1000'],
      ...['--max-steps', `${steps}`, '--batch-size', '32', '--shard-size', '8'],
    ]
  }

  /** A coordinator without workers. */
  fleet({ environment, ...options }: Partial<FleetOptions> = {}): Fleet {
    return new Fleet({ run: this.#run, environment: { ...this.#data.environment, ...environment }, ...options })
  }

  /**
   * A run with workers `a`, `b` … (without shared memory, unless other flags are given). Its end is checked: exit status 0, every step once and in
   * order, the weights of the undisturbed run.
   */
  run(
    workers: number,
    flags: readonly string[] = ['--no-shared-memory'],
    options: Partial<FleetOptions> = {},
  ): FaultRun {
    const names = Array.from('abcd').slice(0, workers)
    return this.#runOf(options, (fleet) => names.map(async (name) => fleet.add(name, ...flags)))
  }

  /** A run whose only worker `a` is at the other end of a link in the kernel. */
  runBeyond(link: KernelLink): FaultRun {
    return this.#runOf({ host: link.coordinatorHost }, (fleet) => [fleet.addBeyond(link, 'a', '--no-shared-memory')])
  }

  /** A {@link run} of its own for one fault. */
  async survives(
    workers: number,
    fault: (fleet: Fleet, workers: FleetWorker[]) => Promise<unknown>,
    flags?: readonly string[],
    options?: Partial<FleetOptions>,
  ): Promise<void> {
    const run = this.run(workers, flags, options)
    await run.undergoes(fault).finally(async () => run.end())
  }

  /** Waits for the end of the run and checks it. */
  async check(fleet: Fleet): Promise<void> {
    this.#expected ??= new Launch(['train', ...this.#run, '--standalone', '--json'], this.#data.environment).result()
    const [result, expected] = await Promise.all([fleet.coordinator.result(), this.#expected])
    assert.match(String(expected['weightsSha256']), /^[0-9a-f]{64}$/)
    assert.equal(result['weightsSha256'], expected['weightsSha256'])
    assert.equal(stepsViolation(await fleet.coordinator.metrics(), this.#steps), undefined)
  }

  #runOf(options: Partial<FleetOptions>, start: (fleet: Fleet) => readonly Promise<FleetWorker>[]): FaultRun {
    return new FaultRun(
      async () => {
        const fleet = this.fleet(options)
        const workers = await Promise.all(start(fleet))
        await Promise.all([...fleet.workers.keys()].map(async (name) => fleet.joined(name)))
        return { fleet, workers }
      },
      async (fleet) => this.check(fleet),
    )
  }

  remove(): void {
    this.#data.remove()
  }
}
