import type { RunDescription } from '../model/run-description.js'
import { gradientLength } from '../model/parameter-layout.js'
import { ConvoyError } from '../shared/errors.js'
import { bytesOf } from '../shared/bytes-of.js'
import { applyGradient } from '../training/apply-gradient.js'
import type { RunEvent } from '../training/run-events.js'
import type { TrainingState } from '../training/training-state.js'
import { keepValidated } from '../training/training-state.js'
import { epochsAfter, plannedSteps } from '../training/trainer.js'
import type { Disk } from './disk.js'
import { configSha256 } from './journal.js'
import { crcOf } from './journal-format.js'
import type { JournalFrame } from './segment-reader.js'
import { SegmentReader } from './segment-reader.js'
import type { ListedSegment } from './segments.js'

export interface ReplayOptions {
  /** Of the checkpoint: with another configuration, steps would give other weights. */
  readonly description: RunDescription
  readonly trainSamples: number
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Logs a line. */
  readonly warn: (line: string) => void
  /** @default the machine's */
  readonly disk?: Disk
}

export interface Replayed {
  /** Events of the steps and validations, for reports that lack them. */
  readonly events: RunEvent[]
  /** The segment of the last step, and where its whole frames end: steps may be appended there. Undefined: there is none. */
  readonly end: { readonly file: string; readonly bytes: number } | undefined
}

/**
 * Applies the steps of a run's journal to a state, as the trainer applied them: the same arithmetic on the same vectors gives the same bits.
 * The callbacks are called as the trainer called them.
 * @param state is changed in place
 * @param segments of the run, the earliest first; those that do not begin where the state is are left out
 */
export function replayJournal(
  state: TrainingState,
  segments: readonly ListedSegment[],
  options: ReplayOptions,
): Replayed {
  const events: RunEvent[] = []
  let end: Replayed['end']
  for (const segment of segments) {
    if (segment.baseStep !== state.step) continue
    const earlier = events.length
    const bytes = replaySegment(segment, state, options, events)
    if (bytes !== undefined) end = { file: segment.file, bytes }
    // What follows its frames cannot stand in the segment before it.
    else if (events.length > earlier) end = undefined
  }
  return { events, end }
}

/** @returns where the whole frames end; undefined: the segment does not continue this state, or not all of it can be read */
function replaySegment(
  { file }: ListedSegment,
  state: TrainingState,
  options: ReplayOptions,
  events: RunEvent[],
): number | undefined {
  const { description, warn } = options
  let reader: SegmentReader | undefined
  try {
    reader = new SegmentReader(file, gradientLength(description.model.layout), options.disk)
    const { weightsCrc, baseStep, configSha256: config } = reader.header
    const isNext = baseStep === state.step && weightsCrc === crcOf(bytesOf(state.weights))
    if (!isNext || config !== configSha256(description.config)) {
      warn(`${file} is left out: it continues other weights or another configuration.`)
      return undefined
    }
    let { end } = reader
    for (const frame of reader.frames()) {
      const event = frame.step === state.step ? replayFrame(frame, state, options) : undefined
      // The training diverged there, or the frame belongs elsewhere.
      if (event === undefined) break
      events.push(event)
      ;({ end } = reader)
    }
    if (reader.cut !== undefined) warn(`${file}: ${reader.cut}; the steps after step ${state.step} are computed again.`)
    return end
  } catch (error) {
    const { code, message } = ConvoyError.from(error)
    if (code !== 'data') throw error
    warn(`${message} The steps after step ${state.step} are computed again.`)
    return undefined
  } finally {
    reader?.close()
  }
}

/** @returns its event; undefined when nothing was applied: loss or gradient are not finite */
function replayFrame(frame: JournalFrame, state: TrainingState, options: ReplayOptions): RunEvent | undefined {
  const { description, trainSamples, now } = options
  const { config, model } = description
  if (frame.kind === 'validation') {
    const { isBest } = keepValidated(state, frame.result)
    const epochs = (steps: number): number => epochsAfter(steps, config, trainSamples)
    const effects = state.callbacks.onEpoch(frame.result, state.best!.step, epochs)
    return {
      kind: 'evaluated',
      result: frame.result,
      epoch: epochs(state.step),
      best: isBest,
      ...effects,
      replayed: true,
    }
  }
  const { waitMs, reduceMs, workers } = frame.details
  const startedMs = now()
  const total = plannedSteps(config.epochs, trainSamples, config.batchSize)
  const outcome = applyGradient(state, frame.vector, model.layout, config, total)
  if (outcome === undefined) return undefined
  state.step++
  const applyMs = now() - startedMs
  const place = { step: state.step, epoch: epochsAfter(state.step, config, trainSamples) }
  state.callbacks.onStep({ ...place, ...outcome })
  return {
    ...{ kind: 'step', ...place, ...outcome },
    ...{ durationMs: waitMs + reduceMs + applyMs, workers, replayed: true },
    phaseSeconds: { wait: waitMs / 1000, reduce: reduceMs / 1000, apply: applyMs / 1000, publish: 0 },
  }
}
