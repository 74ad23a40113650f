import type { LayersModel } from '@tensorflow/tfjs'
import type { MetricsLine } from '../reporting/sinks/metrics-line.js'
import type { RunEvent } from '../training/run-events.js'
import type { EpochMeter, FinishedEpoch } from './epoch-logs.js'
import type { FitArgs, FitCallbacks, FitHistory } from './fit-args.js'

/** Calls the callbacks of a training, and writes its history. */
export class FitReport {
  readonly history: FitHistory = { epoch: [], history: {} }
  readonly #model: LayersModel
  readonly #callbacks: readonly FitCallbacks[]
  readonly #meter: EpochMeter
  readonly #initialEpoch: number
  readonly #batchSize: number
  #totalSteps = 0
  #lastStep = 0
  #isEpochBegun = false
  #stoppedAt: number | undefined

  constructor(
    model: LayersModel,
    { callbacks, initialEpoch = 0, batchSize = 32, epochs = 1 }: FitArgs,
    meter: EpochMeter,
  ) {
    this.#model = model
    this.#callbacks = [callbacks ?? []].flat()
    this.#meter = meter
    this.#initialEpoch = initialEpoch
    this.#batchSize = batchSize
    for (const callback of this.#callbacks) {
      callback.setParams?.({ epochs, initialEpoch, batchSize })
      callback.setModel?.(model)
    }
  }

  /** The step after which a callback stopped the training (`model.stopTraining`); undefined: none did. */
  get stoppedAt(): number | undefined {
    return this.#stoppedAt
  }

  /** The step whose weights the training leaves: that at which it stopped, or else the last one so far. */
  get endStep(): number {
    return this.#stoppedAt ?? this.#lastStep
  }

  async begin(): Promise<void> {
    this.#model.stopTraining = false
    for (const callback of this.#callbacks) await callback.onTrainBegin?.()
  }

  async end(): Promise<void> {
    for (const callback of this.#callbacks) await callback.onTrainEnd?.()
  }

  async observe(line: MetricsLine): Promise<void> {
    switch (line.kind) {
      case 'started':
        this.#totalSteps = line.totalSteps
        break
      case 'step':
        await this.#step(line)
        break
      case 'evaluated':
        await this.#endEpoch(this.#meter.validated(line))
        break
      default:
        break
    }
  }

  async #step(event: Extract<RunEvent, { kind: 'step' }>): Promise<void> {
    this.#lastStep = event.step
    const { epoch, batch } = this.#meter.place
    if (!this.#isEpochBegun)
      for (const callback of this.#callbacks) await callback.onEpochBegin?.(this.#initialEpoch + epoch)
    this.#isEpochBegun = true
    const { logs, ended } = this.#meter.step(event, event.step === this.#totalSteps)
    const ofBatch = { batch, size: this.#batchSize }
    for (const callback of this.#callbacks) {
      await callback.onBatchBegin?.(batch, ofBatch)
      await callback.onBatchEnd?.(batch, { ...ofBatch, ...logs })
    }
    await this.#endEpoch(ended)
  }

  async #endEpoch(ended: FinishedEpoch | undefined): Promise<void> {
    if (ended === undefined) return
    const epoch = this.#initialEpoch + ended.epoch
    this.#isEpochBegun = false
    this.history.epoch.push(epoch)
    for (const [name, value] of Object.entries(ended.logs)) (this.history.history[name] ??= []).push(value)
    for (const callback of this.#callbacks) await callback.onEpochEnd?.(epoch, { ...ended.logs })
    if (this.#model.stopTraining) this.#stoppedAt = ended.step
  }
}
