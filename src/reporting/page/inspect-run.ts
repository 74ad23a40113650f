import { spawn } from 'node:child_process'
import { once } from 'node:events'
import os from 'node:os'
import path from 'node:path'
import type { Inspection } from './inspection.js'
import { MAX_INSPECTION_BYTES } from './inspection.js'
import type { InspectionState } from './page-state.js'
import type { SplitName } from '../../data/dataset.js'
import { ConvoyError } from '../../shared/errors.js'
import { packageRoot } from '../../shared/package-root.js'
import { readRegularFile } from '../../shared/read-file.js'

const PATIENCE_MS = 10 * 60_000
const NICE = 10

/** An inspection to run. */
export interface InspectionRequest {
  /** Saves the weights if necessary. @returns the directory of a saved model, or of a run that has one */
  readonly model: () => Promise<string>
  readonly split: SplitName
  /** Whether the run is training meanwhile, which has priority. */
  readonly isBesideTraining: boolean
}

/**
 * Runs `convoy inspect` in a process of its own, since the coordinator does not load TensorFlow; one at a time.
 */
export class InspectionRunner {
  readonly #file: string
  readonly #signal: AbortSignal
  readonly #onInspection: (inspection: Inspection) => void
  readonly #closed = new AbortController()
  #running: Promise<void> | undefined
  #looking: InspectionState = { state: 'never' }
  #inspection: string | undefined

  /** @param file where the inspection is written; @param signal ends a running inspection; @param onInspection receives each one */
  constructor(file: string, signal: AbortSignal, onInspection: (inspection: Inspection) => void) {
    this.#file = file
    this.#signal = signal
    this.#onInspection = onInspection
  }

  get looking(): InspectionState {
    return this.#looking
  }

  /** The newest, as JSON. */
  get inspection(): string | undefined {
    return this.#inspection
  }

  /** Settles when the inspection is done or has failed: see {@link looking}. Does nothing while another one is running. */
  async inspect(request: InspectionRequest): Promise<void> {
    this.#running ??= this.#runInspection(request).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Settles when no inspection is running. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** Ends a running inspection. */
  async close(): Promise<void> {
    this.#closed.abort()
    await this.#running
  }

  async #runInspection({ model, split, isBesideTraining }: InspectionRequest): Promise<void> {
    this.#looking = { state: 'running' }
    try {
      await this.#inspect(await model(), split, isBesideTraining)
      this.#inspection = readRegularFile(this.#file, MAX_INSPECTION_BYTES).toString().trim()
      this.#onInspection(JSON.parse(this.#inspection) as Inspection)
      this.#looking = { state: 'done' }
    } catch (error) {
      this.#looking = { state: 'failed', reason: ConvoyError.from(error).message }
    }
  }

  async #inspect(model: string, split: SplitName, isBesideTraining: boolean): Promise<void> {
    const program = path.join(packageRoot, 'bin', 'convoy.mjs')
    // On the CPU: the workers need the memory of the GPUs.
    const args = [program, 'inspect', model, '--split', split, '--device', 'cpu', '--out', this.#file]
    const signal = AbortSignal.any([this.#signal, this.#closed.signal, AbortSignal.timeout(PATIENCE_MS)])
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], signal, killSignal: 'SIGKILL' })
    child.once('spawn', () => {
      try {
        if (isBesideTraining) os.setPriority(child.pid!, NICE)
      } catch {
        // The process has ended already, or its priority was lower.
      }
    })
    let words = ''
    child.stderr.on('data', (text: Buffer) => (words = (words + text.toString()).slice(-2_000)))
    const [status, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    if (status !== 0) {
      const errorLine = words
        .trim()
        .split('\n')
        .findLast((line) => line.startsWith('✖ '))
      throw new ConvoyError('environment', errorLine?.slice(2) ?? describeEnd(status, killedBy))
    }
  }
}

function describeEnd(status: number | null, killedBy: NodeJS.Signals | null): string {
  if (killedBy === null) return `convoy inspect ended with status ${status}.`
  const hint = killedBy === 'SIGKILL' ? '; the kernel does so when memory is short (check dmesg)' : ''
  return `convoy inspect was ended by ${killedBy}${hint}.`
}
