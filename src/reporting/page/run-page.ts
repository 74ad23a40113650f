import { rm } from 'node:fs/promises'
import path from 'node:path'
import { isImages } from '../../data/dataset.js'
import type { Inspection } from './inspection.js'
import type { RunEnd, RunEnvironment, RunStatus } from './page-state.js'
import { LivePage } from './serve-page.js'
import type { PhaseReport } from '../../metrics/phases.js'
import { printableLines } from '../../shared/log/printable.js'
import { MAX_JSON_BYTES, readRegularFile } from '../../shared/read-file.js'
import type { RunEvent, RunObserver, RunResult } from '../../training/run-events.js'
import type { Coordinator } from '../../coordinator/coordinator.js'
import { environmentSchema } from '../kept-status.js'
import { InspectionRunner } from './inspect-run.js'
import { writeStatus } from '../run-directory.js'
import { runStatus } from '../run-status.js'
import { Timeline } from './timeline.js'

/** Start of the inspection process. The rest of its time, on one CPU, is estimated from the test. */
const INSPECTION_START_SECONDS = 3
/** Longest inspection relative to the run, if the page is open nowhere. */
const MAX_INSPECTION_SHARE = 0.1

interface Watched {
  readonly coordinator: Coordinator
  /** Phases of the coordinator. */
  readonly phases: () => readonly PhaseReport[]
  /** Saves weights as a model. */
  readonly save: (directory: string, weights: Float32Array, step: number) => Promise<unknown>
}

/** The live page of a run. */
export class RunPage {
  readonly #runDirectory: string
  readonly #timeline: Timeline
  readonly #inspections: InspectionRunner
  /** Nothing else can be inspected. */
  #hasImages = false
  readonly #page: LivePage
  #watched: Watched | undefined
  #lastStatus: RunStatus | undefined
  #end: RunEnd | undefined
  #totalSteps = 0
  #isOver = false

  /**
   * @param signal ends the run and a running inspection
   * @param onInspection receives each new inspection
   */
  constructor(runDirectory: string, signal: AbortSignal, onInspection: (inspection: Inspection) => void) {
    this.#runDirectory = runDirectory
    this.#timeline = new Timeline(runDirectory)
    this.#inspections = new InspectionRunner(path.join(runDirectory, 'inspection.json'), signal, onInspection)
    const environment = readEnvironment(runDirectory)
    this.#page = new LivePage({
      snapshot: () => ({ ...this.#timeline.snapshot(), ...(environment && { environment }) }),
      takeUpdate: () => this.#timeline.takeUpdate(),
      status: () => this.#status(),
      looking: () => this.#inspections.looking,
      inspection: () => this.#inspections.inspection,
      look: () => {
        if (!this.#isOver) void this.#inspectNow()
      },
    })
  }

  readonly handle: LivePage['handle'] = (...request) => this.#page.handle(...request)

  readonly observe: RunObserver = (event) => {
    this.#timeline.observe(event, wallSeconds())
    if (event.kind === 'started') {
      this.#totalSteps = event.totalSteps
      this.#hasImages = isImages(event.dataset)
    }
    if (event.kind === 'finished') {
      const { steps, stoppedEarly = false } = event.result
      this.#ended(steps < this.#totalSteps && !stoppedEarly ? 'stopped' : 'finished')
    }
  }

  /** Shows an event of an earlier coordinator. @param timeSeconds since 1970 */
  restore(event: RunEvent, timeSeconds: number): void {
    this.#timeline.observe(event, timeSeconds)
  }

  /** An earlier coordinator began the run. @param timeSeconds since 1970 */
  began(timeSeconds: number): void {
    this.#timeline.began(timeSeconds)
  }

  /** Adds a line that does not come from a run event. @param timeSeconds since 1970 */
  readonly addLine = (text: string, timeSeconds: number): void => {
    this.#timeline.addLine(text, timeSeconds)
  }

  /** Connects the page to the coordinator whose status it shows. */
  watch(watched: Watched): void {
    this.#watched = watched
  }

  /**
   * Inspects the best weights on test images, if the page is open somewhere or the inspection is short compared with the run.
   * @param log logs why the run does not end yet
   */
  async inspectTest({ seconds, workers, test }: RunResult, log: (text: string) => void): Promise<void> {
    this.#isOver = true
    if (!this.#hasImages || test === undefined) return
    const inspectionSeconds = INSPECTION_START_SECONDS + (workers * test.durationMs) / 1000
    if (this.#page.viewers === 0 && inspectionSeconds > MAX_INSPECTION_SHARE * seconds) return
    log('Inspecting the network on test images.')
    await this.#inspections.idle()
    await this.#inspections.inspect({ model: async () => this.#runDirectory, split: 'test', isBesideTraining: false })
  }

  /** Records that the run did not finish, or that its result could not be saved. */
  recordBreak(kind: 'stopped' | 'interrupted' | 'failed', reason: string): void {
    this.#ended(kind, reason)
  }

  /** Writes the status of the run for `convoy report`. The page keeps showing it when the workers leave. */
  async keepStatus(): Promise<void> {
    this.#lastStatus = this.#status()
    if (this.#lastStatus) await writeStatus(this.#runDirectory, this.#lastStatus)
  }

  async close(): Promise<void> {
    await this.#inspections.close()
    await this.#page.close()
  }

  #status(): RunStatus | undefined {
    if (this.#lastStatus) return this.#lastStatus
    return this.#watched && runStatus(this.#watched.coordinator, this.#watched.phases(), wallSeconds(), this.#end)
  }

  #ended(kind: RunEnd['kind'], reason?: string): void {
    this.#end = { kind, at: new Date().toISOString(), ...(reason !== undefined && { reason: printableLines(reason) }) }
  }

  async #inspectNow(): Promise<void> {
    const { coordinator, save } = this.#watched ?? {}
    if (coordinator === undefined || save === undefined || coordinator.weights().length === 0) return
    if (!this.#hasImages || this.#inspections.looking.state === 'running') return
    const directory = path.join(this.#runDirectory, 'model', 'now')
    const model = async (): Promise<string> => {
      await save(directory, coordinator.weights().slice(), coordinator.progress().step)
      return directory
    }
    // Test images are only used at the end.
    await this.#inspections.inspect({ model, split: 'validation', isBesideTraining: true })
    // The next inspection overwrites the directory if this fails.
    await rm(directory, { recursive: true, force: true }).catch(() => undefined)
  }
}

/** Reads `environment.json`; undefined when it is missing or invalid. */
function readEnvironment(runDirectory: string): RunEnvironment | undefined {
  try {
    return environmentSchema.parse(
      JSON.parse(readRegularFile(path.join(runDirectory, 'environment.json'), MAX_JSON_BYTES).toString()),
    )
  } catch {
    return undefined
  }
}

function wallSeconds(): number {
  return Date.now() / 1000
}
