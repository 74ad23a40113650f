import { setImmediate as settlePromises } from 'node:timers/promises'
import type { SchedulerLimits } from '../scheduler/limits.js'
import { DEFAULT_LIMITS } from '../scheduler/limits.js'
import { describeEvent } from '../reporting/sinks/describe-event.js'
import type { EvaluationResult, RunEvent } from '../training/run-events.js'
import type { TrainingOutcome } from '../training/trainer.js'
import { ConvoyError } from '../shared/errors.js'
import type { Fault, FaultScenario } from './fault-scenario.js'
import { leaseViolation, silenceViolation } from './pool-invariants.js'
import { LeaseLedger } from './lease-ledger.js'
import { referenceEvaluation, referenceHashes } from './reference-run.js'
import { SeededDraws } from './seeded-draws.js'
import { SimulatedCoordinator } from './simulated-coordinator.js'
import { SimulatedLink } from './simulated-link.js'
import { SimulatedWorker } from './simulated-worker.js'
import { hashOfWeights, TinyProblem } from './tiny-problem.js'
import { VirtualTime } from './virtual-time.js'

export interface SimulatedOutcome {
  /** The first invariant that did not hold; undefined: all held. */
  readonly violation: string | undefined
  readonly history: readonly string[]
  readonly virtualMs: number
  readonly events: number
}

/** After the last fault, a run must end within this time: more than the longest quarantine and a hung lease. */
const PATIENCE_MS = 900_000
const MAX_EVENTS = 3_000_000
/** Events from one check to the next. */
const SILENCE_EVERY = 16
const MAX_HISTORY = 2_000

/** The real ones, but a lone worker that fails everything does not end the run: in the end a good worker returns. */
const LIMITS: SchedulerLimits = { ...DEFAULT_LIMITS, failuresPerShard: 1_000, lossesPerShard: 1_000 }

/**
 * One history of a run with faults, the invariants checked after every event.
 */
export async function simulateFaults(
  scenario: FaultScenario,
  limits: SchedulerLimits = LIMITS,
): Promise<SimulatedOutcome> {
  return new FaultSimulation(scenario, limits).run()
}

class FaultSimulation {
  readonly #scenario: FaultScenario
  readonly #limits: SchedulerLimits
  readonly #time = new VirtualTime()
  readonly #problem: TinyProblem
  #expected: readonly string[] = []
  readonly #workers: SimulatedWorker[]
  /** The newest lines. */
  readonly #history: string[] = []
  #coordinator: SimulatedCoordinator | undefined
  #step = 0
  #wasObserved = false
  #violation: string | undefined
  #outcome: TrainingOutcome | undefined
  readonly #evaluationChecks: Promise<void>[] = []
  #wakeStep: () => void = () => undefined

  constructor(scenario: FaultScenario, limits: SchedulerLimits) {
    this.#scenario = scenario
    this.#limits = limits
    const { seed, shards, steps, link, workers } = scenario
    this.#problem = new TinyProblem(shards, steps)
    this.#workers = workers.map((traits, index) => {
      const draws = new SeededDraws(seed, index + 1)
      return new SimulatedWorker(traits, {
        ...{ time: this.#time, draws, link: new SimulatedLink(this.#time, draws, this.#linkTraits(link)) },
        ...{ problem: this.#problem, vectorBytes: 4_000, heartbeatMs: limits.heartbeatMs },
        coordinator: () => this.#coordinator,
        crowding: () => 1,
      })
    })
  }

  async run(): Promise<SimulatedOutcome> {
    const { quietAtMs, faults, shards, steps } = this.#scenario
    this.#expected = await referenceHashes(shards, steps)
    this.#startCoordinator()
    for (const worker of this.#workers) worker.start()
    for (const fault of faults) {
      this.#time.at(fault.atMs, () => {
        this.#apply(fault)
      })
    }
    this.#time.at(quietAtMs, () => {
      this.#record('no more faults')
      for (const worker of this.#workers) {
        worker.link.heal()
        worker.slowDown(1)
        worker.start()
      }
    })
    let events = 0
    let wasIdle = false
    try {
      while (this.#outcome === undefined && this.#violation === undefined) {
        if (!this.#time.next()) this.#violate('no event is left, and the run is not over')
        if (++events > MAX_EVENTS) this.#violate(`more than ${MAX_EVENTS} events`)
        if (this.#time.nowMs > quietAtMs + PATIENCE_MS)
          this.#violate(`not over ${PATIENCE_MS / 1000} s after the last fault`)
        // Between tasks, and after each event of the run, the training loop has work to do.
        const isIdle = (this.#coordinator?.pool.leases.length ?? 0) === 0
        if (isIdle && (this.#wasObserved || !wasIdle)) await settlePromises()
        this.#wasObserved = false
        wasIdle = isIdle
        this.#checkPool(events % SILENCE_EVERY === 0)
      }
      await Promise.all(this.#evaluationChecks)
      if (this.#outcome !== undefined) this.#checkOutcome(this.#outcome)
    } catch (thrown) {
      const error = ConvoyError.from(thrown)
      this.#violate(`${error.message}\n${error.stack ?? ''}`)
    }
    this.#coordinator?.kill()
    return { violation: this.#violation, history: this.#history, virtualMs: this.#time.nowMs, events }
  }

  /** Loss, duplication and reordering of single messages end with the faults. */
  #linkTraits(traits: FaultScenario['link']): FaultScenario['link'] {
    const { quietAtMs } = this.#scenario
    const time = this.#time
    const whileLoud = (probability: number) => (time.nowMs < quietAtMs ? probability : 0)
    return {
      ...traits,
      get loss() {
        return whileLoud(traits.loss)
      },
      get duplication() {
        return whileLoud(traits.duplication)
      },
      get reorder() {
        return whileLoud(traits.reorder)
      },
    }
  }

  #startCoordinator(): void {
    this.#step = 0
    this.#wasObserved = true
    const ledger = new LeaseLedger(
      (worker) => coordinator.pool.workers().find(({ id }) => id === worker)!.name,
      () => this.#time.nowMs,
    )
    const coordinator = new SimulatedCoordinator({
      ...{ time: this.#time, description: this.#problem.description, split: this.#problem.split },
      ...{ limits: this.#limits, auditEvery: this.#scenario.auditEvery, resultMs: 0 },
      observer: (event) => {
        if (coordinator === this.#coordinator) this.#observe(event)
      },
      onEffect: (effect) => {
        // Effects while a run is broken off do not matter.
        if (this.#violation === undefined && coordinator === this.#coordinator) ledger.note(effect)
      },
      beforeStep: async () => {
        while (coordinator.pool.workerCount < this.#scenario.quorum && this.#step === 0) {
          await new Promise<void>((resolve) => {
            this.#wakeStep = resolve
          })
        }
      },
    })
    this.#coordinator = coordinator
    coordinator.train().then(
      (outcome) => {
        if (coordinator === this.#coordinator) this.#outcome = outcome
      },
      (error: unknown) => {
        if (coordinator === this.#coordinator) this.#violate(`the run failed: ${ConvoyError.from(error).message}`)
      },
    )
  }

  #observe(event: RunEvent): void {
    this.#wasObserved = true
    if (event.kind === 'worker-joined') this.#wakeStep()
    const line = event.kind === 'step' ? `step ${event.step}` : describeEvent(event)
    if (line !== undefined) this.#record(line)
    if (event.kind === 'evaluated') this.#evaluationChecks.push(this.#checkEvaluation(event.result))
    if (event.kind !== 'step') return
    if (event.step !== this.#step + 1) this.#violate(`step ${event.step} came after step ${this.#step}`)
    this.#step = event.step
    this.#checkWeights(event.step)
  }

  /** The weights that workers get now. */
  #checkWeights(step: number): void {
    if (hashOfWeights(this.#coordinator!.publishedWeights.values) !== this.#expected[step])
      this.#violate(`the weights after step ${step} are not those of the run without faults`)
  }

  async #checkEvaluation({ split, step, confusion, loss, samples }: EvaluationResult): Promise<void> {
    this.#checkWeights(step)
    const expected = await referenceEvaluation(this.#problem, split, this.#coordinator!.publishedWeights.values)
    if ([...confusion.flat(), loss * samples].some((value, index) => Math.fround(value) !== expected[index]))
      this.#violate(`the evaluation of the ${split} split after step ${step} is not that of the run without faults`)
  }

  #apply(fault: Fault): void {
    this.#record(`fault: ${JSON.stringify(fault)}`)
    const worker = 'worker' in fault ? this.#workers[fault.worker]! : undefined
    switch (fault.kind) {
      case 'kill':
      case 'leave':
        if (fault.kind === 'kill') worker!.kill()
        else worker!.leave()
        return this.#time.after(fault.backAfterMs, () => {
          worker!.start()
        })
      case 'pause':
        return worker!.pause(fault.forMs)
      case 'slow':
        worker!.slowDown(fault.times)
        return this.#time.after(fault.forMs, () => {
          worker!.slowDown(1)
        })
      case 'cut':
        return worker!.cut()
      case 'dark':
        worker!.link.darken(...(fault.way === 'both' ? (['up', 'down'] as const) : [fault.way]))
        return this.#time.after(fault.forMs, () => {
          worker!.link.heal()
        })
      case 'join':
        return worker!.start()
      case 'coordinator-pause':
        return this.#coordinator?.pause(fault.forMs)
      case 'coordinator-kill':
        return this.#killCoordinator(fault.backAfterMs)
    }
  }

  /** Without checkpoints the run begins anew; its steps must come out the same. */
  #killCoordinator(backAfterMs: number): void {
    const killed = this.#coordinator
    if (killed === undefined) return
    for (const worker of this.#workers) worker.cut()
    this.#coordinator = undefined
    killed.kill()
    this.#time.after(backAfterMs, () => {
      this.#record('the coordinator is back')
      this.#startCoordinator()
    })
  }

  #checkPool(withSilence: boolean): void {
    const pool = this.#coordinator?.pool
    if (pool === undefined) return
    const violation =
      leaseViolation(pool, this.#limits) ?? (withSilence ? silenceViolation(pool, this.#limits) : undefined)
    if (violation !== undefined) this.#violate(violation)
  }

  #checkOutcome({ result }: TrainingOutcome): void {
    const { steps } = this.#scenario
    if (result.steps !== steps) this.#violate(`the result has ${result.steps} of ${steps}`)
    if (this.#step !== steps) this.#violate(`step ${this.#step} was the last one reported, and the result has ${steps}`)
    if (!result.weightsSha256.startsWith(this.#expected[steps]!)) this.#violate('the result names other weights')
  }

  #record(line: string): void {
    if (this.#history.length === MAX_HISTORY) this.#history.shift()
    this.#history.push(`${(this.#time.nowMs / 1000).toFixed(3)} s  ${line}`)
  }

  #violate(what: string): void {
    this.#violation ??= what
    this.#record(`VIOLATION: ${what}`)
  }
}
