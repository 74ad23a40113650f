import type { Evaluation } from '../model/objectives/evaluation.js'
import type { RunEvent } from '../training/run-events.js'
import type { LoggedMeasure } from './read-compiled.js'

type Step = Extract<RunEvent, { kind: 'step' }>
type Evaluated = Extract<RunEvent, { kind: 'evaluated' }>
export type EpochLogs = Record<string, number>

/** An epoch that is over. */
export interface FinishedEpoch {
  /** From 0. */
  readonly epoch: number
  /** Steps of the run so far. */
  readonly step: number
  readonly logs: EpochLogs
}

/** Turns the events of a run into the logs of `model.fit`. */
export class EpochMeter {
  readonly #measures: readonly LoggedMeasure[]
  readonly #hasValidation: boolean
  #sums: EpochLogs = {}
  #steps = 0
  #epoch = 0
  /** Its validation is still to come. */
  #ended: FinishedEpoch | undefined

  constructor(measures: readonly LoggedMeasure[], hasValidation: boolean) {
    this.#measures = measures
    this.#hasValidation = hasValidation
  }

  /** The epoch of the next step, from 0, and the number of its steps so far. */
  get place(): { readonly epoch: number; readonly batch: number } {
    return { epoch: this.#epoch, batch: this.#steps }
  }

  /** @param isLast whether the run has no further step @returns the epoch that this step ended, if no validation follows */
  step(event: Step, isLast: boolean): { readonly logs: EpochLogs; readonly ended: FinishedEpoch | undefined } {
    const logs = this.#logsOf(event)
    for (const [name, value] of Object.entries(logs)) this.#sums[name] = (this.#sums[name] ?? 0) + value
    this.#steps++
    const isEnd = Math.floor(event.epoch) > this.#epoch || isLast
    if (!isEnd) return { logs, ended: undefined }
    const means = Object.fromEntries(Object.entries(this.#sums).map(([name, sum]) => [name, sum / this.#steps]))
    const ended = { epoch: this.#epoch, step: event.step, logs: means }
    this.#sums = {}
    this.#steps = 0
    this.#epoch = Math.floor(event.epoch)
    this.#ended = this.#hasValidation ? ended : undefined
    return { logs, ended: this.#hasValidation ? undefined : ended }
  }

  /** @returns the epoch that this validation completes */
  validated({ result }: Evaluated): FinishedEpoch | undefined {
    const ended = this.#ended
    if (ended === undefined || result.split !== 'validation' || result.step !== ended.step) return undefined
    this.#ended = undefined
    const validation = Object.entries(this.#logsOf(result)).map(([name, value]) => [`val_${name}`, value])
    return { ...ended, logs: { ...ended.logs, ...(Object.fromEntries(validation) as EpochLogs) } }
  }

  #logsOf({ loss, accuracy, metrics = {} }: Pick<Evaluation, 'loss' | 'accuracy' | 'metrics'>): EpochLogs {
    const values: Readonly<Record<string, number | undefined>> = { ...metrics, loss, accuracy }
    // Custom metrics are measured in evaluations alone.
    const measured = this.#measures.flatMap(({ log, measure }) => {
      const value = values[measure]
      return value === undefined ? [] : [[log, value] as const]
    })
    return { loss, ...Object.fromEntries(measured) }
  }
}
