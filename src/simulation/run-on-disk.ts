import path from 'node:path'
import { checkpointsIn, listCheckpoints } from '../durability/checkpoints.js'
import { DurableRun } from '../durability/durable-run.js'
import type { RestoredState } from '../durability/restore-state.js'
import { newestCheckpoint, restoreState, takeOverRun } from '../durability/restore-state.js'
import { listSegments } from '../durability/segments.js'
import { ConvoyError } from '../shared/errors.js'
import type { TrainerHooks } from '../training/trainer-options.js'
import { DiskProcess } from './disk/disk-process.js'
import type { DiskTrouble } from './disk/simulated-disk.js'
import { SimulatedDisk } from './disk/simulated-disk.js'
import { StoredDirectory } from './disk/stored-directory.js'
import type { FaultScenario } from './fault-scenario.js'
import { DurabilityLedger } from './durability-ledger.js'
import { SeededDraws } from './seeded-draws.js'
import { SimulatedCheckpointWriter } from './simulated-checkpoint-writer.js'
import type { TinyProblem } from './tiny-problem.js'
import type { VirtualTime } from './virtual-time.js'

const STREAM = 1_001

export interface RunOnDiskOptions {
  readonly seed: number
  readonly storage: FaultScenario['storage']
  readonly problem: TinyProblem
  readonly time: VirtualTime
  /** Called when something that took the disk time is done. */
  readonly onAnswer: () => void
  /** Logs a line. */
  readonly record: (line: string) => void
}

/** What a coordinator process has opened. */
export interface OpenedRunOnDisk {
  readonly durable: DurableRun
  /** Undefined: the run begins. */
  readonly restored: RestoredState | undefined
  readonly hooks: TrainerHooks
}

/** The directory of a run on a disk in virtual time, with what its coordinators announced. */
export class RunOnDisk {
  readonly #options: RunOnDiskOptions
  readonly #draws: SeededDraws
  readonly #disk: SimulatedDisk
  readonly #ledger: DurabilityLedger
  /** A run that has no checkpoint is begun anew, in another directory. */
  #runs = 0
  #process: DiskProcess | undefined
  /** Whether the newest process could do all that it had to do. */
  #isTidy = true
  /** Whether the newest process journals on what is on disk: from the beginning, on the segment that it replayed, or on a checkpoint of its own. */
  #continues = false
  /** Whether the step was announced as journaled. */
  #isJournaled = false

  constructor(options: RunOnDiskOptions) {
    const { seed, storage } = options
    this.#options = options
    this.#draws = new SeededDraws(seed, STREAM)
    this.#disk = new SimulatedDisk(this.#draws)
    this.#begin()
    this.#ledger = new DurabilityLedger(storage.durability.journal === 'sync')
  }

  set trouble(trouble: DiskTrouble) {
    this.#disk.trouble = trouble
  }

  /** A coordinator process begins. */
  newProcess(): DiskProcess {
    this.#isTidy = true
    this.#process = new DiskProcess(this.#disk, this.#options.time, this.#options.onAnswer)
    return this.#process
  }

  /** The newest coordinator process, which may be dead. */
  get process(): DiskProcess | undefined {
    return this.#process
  }

  cutPower(): void {
    this.#process?.kill()
    this.#disk.cutPower()
    this.#ledger.powerCut()
  }

  /**
   * What a coordinator does before it listens.
   * @throws errors of the disk; ConvoyError('internal') when something is lost that was announced
   */
  open(process: DiskProcess): OpenedRunOnDisk {
    try {
      const restored = this.#restore(process, takeOverRun)
      if (restored === undefined) this.#begin()
      this.#checkLost(restored, process)
      this.#continues = restored === undefined || restored.end !== undefined
      const durable = this.#newRun(process)
      return { durable, restored, hooks: this.#hooksOf(durable, restored, process) }
    } catch (error) {
      if (process.readFailures > 0) this.#ledger.excuse()
      throw error
    }
  }

  /** A step is reported as done. @returns what is wrong: it is not in the journal, and no fault is the reason */
  reported(step: number): string | undefined {
    const { journal, every } = this.#options.storage.durability
    const mustBe = journal !== 'off' && every.kind !== 'off' && this.#continues && this.#process?.failures === 0
    return mustBe && this.#ledger.journaledStep < step ? `step ${step} is done, and not in the journal` : undefined
  }

  /**
   * The run has ended after so many steps. The power is cut.
   * @returns what a new coordinator would find then
   * @throws ConvoyError('internal') when the directory has too much or too little
   */
  end(steps: number): RestoredState | undefined {
    this.trouble = {}
    if (this.#isTidy && this.#options.storage.durability.every.kind !== 'off') {
      this.#checkTidy(steps)
      this.#ledger.checkpointed(steps)
    }
    this.cutPower()
    const process = this.newProcess()
    const restored = this.#restore(process, restoreState)
    this.#checkLost(restored, process)
    return restored
  }

  get #directory(): string {
    return `/run-${this.#runs}`
  }

  #begin(): void {
    this.#runs++
    this.#disk.root.set(path.basename(this.#directory), new StoredDirectory())
    this.#disk.root.sync()
  }

  #checkTidy(steps: number): void {
    const process = this.newProcess()
    const { keep } = this.#options.storage.durability
    const names = process.readdirSync(checkpointsIn(this.#directory))
    const newest = listCheckpoints(this.#directory, process)[0]?.step
    check(newest === steps, `the newest checkpoint is that of step ${newest}, and the run has ended after ${steps}`)
    check(names.length <= keep + 1, `${names.length} checkpoints are left, and ${keep} and the best were to stay`)
    check(!names.some((name) => name.startsWith('.')), `the run has ended and left ${names.join(', ')}`)
    check(listSegments(this.#directory, process).length === 0, 'the run has ended, and its journal is still there')
  }

  /** @param restore whether to go on or only to look */
  #restore(process: DiskProcess, restore: typeof restoreState): RestoredState | undefined {
    if (listCheckpoints(this.#directory, process).length === 0) return undefined
    const { problem, record, time } = this.#options
    return restore(this.#directory, newestCheckpoint(this.#directory, record, process), {
      ...{ description: problem.description, trainSamples: problem.split.train.length, disk: process },
      ...{ now: () => time.nowMs, warn: record },
    })
  }

  #checkLost(restored: RestoredState | undefined, process: DiskProcess): void {
    const lost = this.#ledger.started(restored?.state.step ?? 0, process.readFailures === 0)
    check(lost === undefined, lost!)
  }

  #newRun(process: DiskProcess): DurableRun {
    const { problem, storage, time, record, onAnswer } = this.#options
    const directory = path.basename(this.#directory)
    const { durability, checkpointMs } = storage
    const failed = (line: string): void => {
      if (!process.isAlive) return
      record(line)
      this.#isTidy = false
    }
    return new DurableRun({
      ...{ ...durability, runDirectory: this.#directory, description: problem.description, ancestor: null },
      ...{ version: '0', run: { directory, name: 'tiny', recipe: 'tiny' }, disk: process },
      ...{ trainSamples: problem.split.train.length, deviceFingerprint: () => null, now: () => time.nowMs },
      onRecorded: async () => Promise.resolve(),
      writerFor: (facts) =>
        new SimulatedCheckpointWriter({ facts, process, time, draws: this.#draws, checkpointMs, onAnswer }),
      observer: {
        onCheckpoint: (step) => {
          if (!process.isAlive) return
          record(`checkpoint of step ${step}`)
          this.#continues = true
          this.#ledger.checkpointed(step)
        },
        onCheckpointFailed: (step, { message }) => {
          failed(`the checkpoint of step ${step} failed: ${message}`)
        },
        onPruneFailed: ({ message }) => {
          failed(`old files cannot be removed: ${message}`)
        },
        onJournal: () => {
          this.#isJournaled = true
        },
        onJournalFailed: ({ message }) => {
          failed(`the journal failed: ${message}`)
        },
      },
    })
  }

  #hooksOf(durable: DurableRun, restored: RestoredState | undefined, process: DiskProcess): TrainerHooks {
    return {
      onBegin: async (state) => (restored ? durable.goOn(restored, false) : durable.begin(state)),
      onReduced: async (step, details, sum) => {
        this.#isJournaled = false
        await durable.onReduced(step, details, sum)
        if (this.#isJournaled && process.isAlive) this.#ledger.journaled(step + 1)
      },
      onValidated: async (snapshot, _isBest, isInState) => {
        if (isInState) await durable.keepValidation(snapshot)
      },
      onStepDone: durable.onStepDone,
    }
  }
}

function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new ConvoyError('internal', otherwise)
}
