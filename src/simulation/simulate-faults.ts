import { setImmediate as settlePromises } from 'node:timers/promises'
import type { SchedulerLimits } from '../scheduler/limits.js'
import { DEFAULT_LIMITS } from '../scheduler/limits.js'
import { describeEvent } from '../reporting/sinks/describe-event.js'
import type { RunEvent } from '../training/run-events.js'
import type { TrainingOutcome } from '../training/trainer.js'
import { ConvoyError } from '../shared/errors.js'
import type { Fault, FaultScenario } from './fault-scenario.js'
import { leaseViolation, silenceViolation } from './pool-invariants.js'
import { LeaseLedger } from './lease-ledger.js'
import { CoordinatorMachine } from './coordinator-machine.js'
import { ReferenceChecks } from './reference-checks.js'
import type { OpenedRunOnDisk } from './run-on-disk.js'
import { RunOnDisk } from './run-on-disk.js'
import { SeededDraws } from './seeded-draws.js'
import { SimulatedCoordinator } from './simulated-coordinator.js'
import { SimulatedLink, traitsUntil } from './simulated-link.js'
import { SimulatedWorker } from './simulated-worker.js'
import { TinyProblem } from './tiny-problem.js'
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
  #reference!: ReferenceChecks
  readonly #machine: CoordinatorMachine
  readonly #run: RunOnDisk
  readonly #workers: SimulatedWorker[]
  /** The newest lines. */
  readonly #history: string[] = []
  #step = 0
  #wasObserved = false
  /** A call to the disk that took time is over: whoever waited for it goes on. */
  #wasAnswered = false
  #violation: string | undefined
  #outcome: TrainingOutcome | undefined
  readonly #evaluationChecks: Promise<void>[] = []
  #wakeStep: () => void = () => undefined

  constructor(scenario: FaultScenario, limits: SchedulerLimits) {
    this.#scenario = scenario
    this.#limits = limits
    const { seed, shards, steps, wire, link, workers, quietAtMs } = scenario
    this.#problem = new TinyProblem(shards, steps, wire)
    const record = (line: string): void => {
      this.#record(line)
    }
    this.#run = new RunOnDisk({
      ...{ seed, storage: scenario.storage, problem: this.#problem, time: this.#time, record },
      onAnswer: () => {
        this.#wasAnswered = true
      },
    })
    this.#machine = new CoordinatorMachine({
      ...{ time: this.#time, run: this.#run, record },
      newCoordinator: (opened) => this.#newCoordinator(opened),
      train: (coordinator, opened) => {
        this.#train(coordinator, opened)
      },
      onDeath: () => {
        for (const worker of this.#workers) worker.cut()
      },
      onLost: ({ message }) => {
        this.#violate(message)
      },
    })
    const traits = traitsUntil(quietAtMs, link, this.#time)
    this.#workers = workers.map((worker, index) => {
      const draws = new SeededDraws(seed, index + 1)
      return new SimulatedWorker(worker, {
        ...{ time: this.#time, draws, link: new SimulatedLink(this.#time, draws, traits) },
        ...{ problem: this.#problem, vectorBytes: 4_000, heartbeatMs: limits.heartbeatMs },
        coordinator: () => this.#machine.coordinator,
        crowding: () => 1,
      })
    })
  }

  async run(): Promise<SimulatedOutcome> {
    const { quietAtMs, faults, shards, steps } = this.#scenario
    this.#reference = await ReferenceChecks.of(this.#problem, shards, steps)
    this.#machine.start()
    for (const worker of this.#workers) worker.start()
    for (const fault of faults) {
      this.#time.at(fault.atMs, () => {
        this.#apply(fault)
      })
    }
    this.#time.at(quietAtMs, () => {
      this.#record('no more faults')
      this.#run.trouble = {}
      this.#machine.spare()
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
        const isIdle = (this.#machine.coordinator?.pool.leases.length ?? 0) === 0
        if (this.#wasAnswered || (isIdle && (this.#wasObserved || !wasIdle))) await settlePromises()
        this.#wasObserved = false
        this.#wasAnswered = false
        wasIdle = isIdle
        this.#checkPool(events % SILENCE_EVERY === 0)
      }
      await Promise.all(this.#evaluationChecks)
      if (this.#outcome !== undefined) this.#checkEnd(this.#outcome)
    } catch (thrown) {
      const error = ConvoyError.from(thrown)
      this.#violate(`${error.message}\n${error.stack ?? ''}`)
    }
    this.#machine.coordinator?.kill()
    return { violation: this.#violation, history: this.#history, virtualMs: this.#time.nowMs, events }
  }

  #newCoordinator({ restored, hooks }: OpenedRunOnDisk): SimulatedCoordinator {
    this.#step = restored?.state.step ?? 0
    this.#wasObserved = true
    if (restored) {
      this.#record(`going on after step ${this.#step}`)
      this.#check(this.#reference.state(restored.state))
    }
    const ledger = new LeaseLedger(
      (worker) => coordinator.pool.workers().find(({ id }) => id === worker)!.name,
      () => this.#time.nowMs,
    )
    const coordinator: SimulatedCoordinator = new SimulatedCoordinator({
      ...{ time: this.#time, description: this.#problem.description, split: this.#problem.split },
      ...{ limits: this.#limits, auditEvery: this.#scenario.auditEvery },
      state: restored?.state,
      observer: (event) => {
        if (this.#isUp(coordinator)) this.#observe(event)
      },
      onEffect: (effect) => {
        // Effects while a run is broken off do not matter.
        if (this.#violation === undefined && this.#isUp(coordinator)) ledger.note(effect)
      },
      hooks: {
        ...hooks,
        beforeStep: async () => {
          while (coordinator.pool.workerCount < this.#scenario.quorum && this.#step === 0) {
            await new Promise<void>((resolve) => {
              this.#wakeStep = resolve
            })
          }
        },
      },
    })
    return coordinator
  }

  #train(coordinator: SimulatedCoordinator, { durable }: OpenedRunOnDisk): void {
    const train = async (): Promise<void> => {
      const outcome = await coordinator.train()
      await durable.finish(outcome.state)
      await durable.close()
      if (this.#isUp(coordinator)) this.#outcome = outcome
    }
    train().catch((error: unknown) => {
      if (this.#isUp(coordinator)) this.#violate(`the run failed: ${ConvoyError.from(error).message}`)
    })
  }

  #isUp(coordinator: SimulatedCoordinator): boolean {
    return this.#machine.coordinator === coordinator
  }

  #observe(event: RunEvent): void {
    this.#wasObserved = true
    if (event.kind === 'worker-joined') this.#wakeStep()
    const line = event.kind === 'step' ? `step ${event.step}` : describeEvent(event)
    if (line !== undefined) this.#record(line)
    const weights = this.#machine.coordinator!.publishedWeights.values
    if (event.kind === 'evaluated')
      this.#evaluationChecks.push(this.#reference.evaluation(event.result, weights).then((wrong) => this.#check(wrong)))
    if (event.kind !== 'step') return
    if (event.step !== this.#step + 1) this.#violate(`step ${event.step} came after step ${this.#step}`)
    this.#step = event.step
    this.#check(this.#reference.weights(event.step, weights) ?? this.#run.reported(event.step))
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
        return this.#machine.coordinator?.pause(fault.forMs)
      case 'coordinator-kill':
      case 'power-cut':
        return this.#machine.kill(fault)
      case 'disk-trouble':
        this.#run.trouble = fault.trouble
        return this.#time.after(fault.forMs, () => {
          this.#run.trouble = {}
        })
    }
  }

  #checkPool(withSilence: boolean): void {
    const pool = this.#machine.coordinator?.pool
    if (pool === undefined) return
    this.#check(leaseViolation(pool, this.#limits) ?? (withSilence ? silenceViolation(pool, this.#limits) : undefined))
  }

  #checkEnd(outcome: TrainingOutcome): void {
    const { steps } = this.#scenario
    this.#check(this.#reference.outcome(outcome, steps, this.#step))
    const found = this.#run.end(steps)
    if (found !== undefined) this.#check(this.#reference.state(found.state))
  }

  #check(violation: string | undefined): void {
    if (violation !== undefined) this.#violate(violation)
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
