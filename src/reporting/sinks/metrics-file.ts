import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { readTextIfThere } from '../../shared/read-file.js'
import type { RunEvent, RunObserver } from '../../training/run-events.js'
import type { MetricsLine } from './metrics-line.js'
import { metricsLineSchema } from './metrics-line.js'
import type { LossObserver } from '../page/report-file.js'
import { ReportFile } from '../page/report-file.js'
import type { Resumption, RunSink, SinkContext, SinkDefinition } from './run-sink.js'

export const metricsFile: SinkDefinition = {
  name: 'metrics.jsonl',
  open: (context) => new MetricsFile(context),
}

/** Of a whole run. It becomes one string, which has less than 536 million characters (V8): about a million steps. */
export const MAX_METRICS_BYTES = 500e6

/** Writes the run's events to `metrics.jsonl`, one {@link MetricsLine} a line, as soon as they happen. */
export class MetricsFile implements RunSink {
  readonly #file: ReportFile
  readonly #wallSeconds: () => number
  readonly #onLost: LossObserver
  /** The last steps that an earlier coordinator wrote lines of. Undefined: there was none. */
  readonly #written: WrittenSteps | undefined

  constructor({ runDirectory, resumption, wallSeconds, onLost }: SinkContext) {
    const file = path.join(runDirectory, 'metrics.jsonl')
    this.#written = resumption && cutLines(file, resumption)
    this.#file = new ReportFile(file, { flushMs: 0, append: resumption !== undefined, onLost })
    this.#wallSeconds = wallSeconds
    this.#onLost = onLost
  }

  readonly observe: RunObserver = (event) => {
    if (event.kind === 'started' && this.#written && this.#written.damaged > 0)
      this.#onLost(this.#written.damaged, new Error('some of its lines were damaged'))
    if (event.kind === 'evaluating' || this.#isWritten(event)) return
    const line: MetricsLine = { time: this.#wallSeconds(), ...compact(event) }
    this.#file.append(Buffer.from(`${JSON.stringify(line)}\n`))
  }

  async sync(): Promise<void> {
    return this.#file.sync()
  }

  /** Everything is in the file when this settles. */
  async close(): Promise<void> {
    return this.#file.close()
  }

  #isWritten(event: RunEvent): boolean {
    if (this.#written === undefined) return false
    switch (event.kind) {
      case 'started':
        return event.totalSteps === this.#written.totalSteps
      case 'step':
        return event.step <= this.#written.step
      case 'evaluated':
        return event.replayed === true && event.result.step <= this.#written.validatedStep
      default:
        return false
    }
  }
}

/** The lines of `metrics.jsonl`, which this version wrote. A last line that was cut off is left out. */
export function readMetrics(runDirectory: string): MetricsLine[] {
  const text = readTextIfThere(path.join(runDirectory, 'metrics.jsonl'), MAX_METRICS_BYTES) ?? ''
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => metricsLineSchema.parse(JSON.parse(line)))
}

interface WrittenSteps {
  /** Of the last `started`; undefined: there is none. */
  totalSteps: number | undefined
  step: number
  validatedStep: number
  /** Lines that were removed because they were damaged. */
  damaged: number
}

/**
 * Removes the lines of what is computed again, a last one that was cut off, and damaged ones, which must not end the run.
 * @returns the steps of the last lines that stay
 */
function cutLines(file: string, { step, validatedStep = 0 }: Resumption): WrittenSteps {
  const written: WrittenSteps = { totalSteps: undefined, step: 0, validatedStep: 0, damaged: 0 }
  const text = readTextIfThere(file, MAX_METRICS_BYTES) ?? ''
  const kept = text
    .split('\n')
    .slice(0, -1)
    .filter((line) => {
      const event = parsed(line)
      if (event === undefined) written.damaged++
      if (event === undefined || event.kind === 'finished') return false
      if (event.kind === 'started') written.totalSteps = event.totalSteps
      if (event.kind === 'step') {
        if (event.step > step) return false
        written.step = event.step
      }
      if (event.kind === 'evaluated') {
        // A validation of an unfinished epoch, or a test, belongs to an end of the run that is none any more.
        if (event.result.split !== 'validation' || event.result.step > validatedStep) return false
        written.validatedStep = event.result.step
      }
      return true
    })
  writeFileAtomic.sync(file, kept.map((line) => `${line}\n`).join(''))
  return written
}

/** @returns undefined when it is damaged: no JSON, or the end of a line that was */
function parsed(line: string): MetricsLine | undefined {
  try {
    const event = JSON.parse(line) as MetricsLine | null
    return typeof event?.kind === 'string' ? event : undefined
  } catch {
    return undefined
  }
}

type Untimed<Line> = Line extends MetricsLine ? Omit<Line, 'time'> : never

/** `result.json` and `config.yaml` hold the rest. */
function compact(event: Exclude<RunEvent, { kind: 'evaluating' }>): Untimed<MetricsLine> {
  switch (event.kind) {
    case 'started': {
      const { config: _config, dataset, ...rest } = event
      const { features: _features, ...others } = { features: undefined, ...dataset }
      return { ...rest, dataset: others }
    }
    case 'finished':
      return { kind: event.kind, weightsSha256: event.result.weightsSha256, weights: event.result.weights }
    default:
      return event
  }
}
