import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { Inspection } from './inspection.js'
import type { RunEnd, RunEnvironment, RunStatus } from './page-state.js'
import { LivePage } from './serve-page.js'
import type { PhaseReport } from '../../metrics/phases.js'
import { printableLines } from '../../shared/log/printable.js'
import { MAX_JSON_BYTES, readRegularFile } from '../../shared/read-file.js'
import type { RunObserver, RunResult } from '../../training/run-events.js'
import type { Coordinator } from '../../coordinator/coordinator.js'
import { environmentSchema } from '../kept-status.js'
import { LookInside } from './inspect-run.js'
import { writeStatus } from '../run-directory.js'
import { runStatus } from '../run-status.js'
import { Timeline } from './timeline.js'

/** One process looks, on a CPU; what it takes is estimated by the test. */
const LOOK_START_SECONDS = 3
/** Of a run's time, when nobody waits for it. */
const MAX_LOOK_SHARE = 0.1

interface Watched {
  readonly coordinator: Coordinator
  /** The coordinator's own. */
  readonly phases: () => readonly PhaseReport[]
  /** Saves weights as a model. */
  readonly save: (directory: string, weights: Float32Array, step: number) => Promise<unknown>
}

/** The live page of a run. */
export class RunPage {
  readonly #runDirectory: string
  readonly #timeline: Timeline
  readonly #inside: LookInside
  readonly #page: LivePage
  #watched: Watched | undefined
  #lastStatus: RunStatus | undefined
  #end: RunEnd | undefined
  #totalSteps = 0
  #isOver = false

  /**
   * @param signal ends the run, and with it what the page has others compute
   * @param onInspection gets what the network does with images, whenever that was looked at
   */
  constructor(runDirectory: string, signal: AbortSignal, onInspection: (inspection: Inspection) => void) {
    this.#runDirectory = runDirectory
    this.#timeline = new Timeline(runDirectory)
    this.#inside = new LookInside(path.join(runDirectory, 'inspection.json'), signal, onInspection)
    const environment = readEnvironment(runDirectory)
    this.#page = new LivePage({
      snapshot: () => ({ ...this.#timeline.snapshot(), ...(environment && { environment }) }),
      takeUpdate: () => this.#timeline.takeUpdate(),
      status: () => this.#status(),
      looking: () => this.#inside.looking,
      inspection: () => this.#inside.inspection,
      look: () => {
        if (!this.#isOver) void this.#look()
      },
    })
  }

  readonly handle: LivePage['handle'] = (...request) => this.#page.handle(...request)

  readonly observe: RunObserver = (event) => {
    this.#timeline.observe(event, wallSeconds())
    if (event.kind === 'started') this.#totalSteps = event.totalSteps
    if (event.kind === 'finished') this.#ended(event.result.steps < this.#totalSteps ? 'stopped' : 'finished')
  }

  /** A line that no event says. @param timeSeconds since 1970 */
  readonly say = (text: string, timeSeconds: number): void => {
    this.#timeline.say(text, timeSeconds)
  }

  /** From now on the page tells how this coordinator stands. */
  watch(watched: Watched): void {
    this.#watched = watched
  }

  /**
   * Looks at what the best weights do with test images, where somebody has the page open or it costs little beside the run.
   * @param notice tells people why the run does not end yet
   */
  async lookAtTest({ seconds, workers, test }: RunResult, notice: (text: string) => void): Promise<void> {
    this.#isOver = true
    const lookSeconds = LOOK_START_SECONDS + (workers * test.durationMs) / 1000
    if (this.#page.viewers === 0 && lookSeconds > MAX_LOOK_SHARE * seconds) return
    notice('Looking at what the network does with test images.')
    await this.#inside.idle()
    await this.#inside.look({ model: async () => this.#runDirectory, split: 'test', isBesideTraining: false })
  }

  /** The run broke off, or its result could not be saved. */
  brokeOff(kind: 'stopped' | 'interrupted' | 'failed', reason: string): void {
    this.#ended(kind, reason)
  }

  /** Writes down how the run stands, for `convoy report`. The page goes on showing it when the workers go. */
  async keepStatus(): Promise<void> {
    this.#lastStatus = this.#status()
    if (this.#lastStatus) await writeStatus(this.#runDirectory, this.#lastStatus)
  }

  async close(): Promise<void> {
    await this.#inside.close()
    await this.#page.close()
  }

  #status(): RunStatus | undefined {
    if (this.#lastStatus) return this.#lastStatus
    return this.#watched && runStatus(this.#watched.coordinator, this.#watched.phases(), wallSeconds(), this.#end)
  }

  #ended(kind: RunEnd['kind'], reason?: string): void {
    this.#end = { kind, at: new Date().toISOString(), ...(reason !== undefined && { reason: printableLines(reason) }) }
  }

  async #look(): Promise<void> {
    const { coordinator, save } = this.#watched ?? {}
    if (coordinator === undefined || save === undefined || coordinator.weights().length === 0) return
    if (this.#inside.looking.state === 'running') return
    const directory = path.join(this.#runDirectory, 'model', 'now')
    const model = async (): Promise<string> => {
      await save(directory, coordinator.weights().slice(), coordinator.progress().step)
      return directory
    }
    // The test images are for the end.
    await this.#inside.look({ model, split: 'validation', isBesideTraining: true })
    // What stays behind when this fails is written over by the next one.
    await rm(directory, { recursive: true, force: true }).catch(() => undefined)
  }
}

/** What the run directory says of it; undefined: nothing. */
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
