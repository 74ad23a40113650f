import { isImages } from '../../data/dataset.js'
import { shapeOf } from '../../data/describe-dataset.js'
import type {
  EvaluationPoint,
  Participation,
  RunHeader,
  RunOutcome,
  Snapshot,
  StepPoint,
  TimelineLine,
  Update,
  WeightsByName,
} from './page-state.js'
import { hyperparameters } from './hyperparameters.js'
import { printable } from '../../shared/log/printable.js'
import type { RunEvent, WorkerIdentity } from '../../training/run-events.js'
import { describeEvent } from '../sinks/describe-event.js'
import { levelOf } from '../sinks/event-log.js'
import type { KeptResult } from '../run-outcome.js'
import { outcomeOf, weightsOf } from '../run-outcome.js'
import { networkName } from '../../model/config/run-config.js'

/** Limit on points, more than a screen has columns. Beyond it, two become one. */
const MAX_POINTS = 4_096
const MAX_LINES = 1_000
const MAX_EVALUATIONS = 2_000
/** Limit on workers. Beyond it, those that left first are removed. */
const MAX_MEMBERS = 512
/** Limit on changes that no viewer fetched. Beyond it, the next viewer gets a snapshot. */
const MAX_PENDING_EVENTS = 2_000

/** The state of the page, built from a run's events. Its size is bounded for runs of any length. */
export class Timeline {
  readonly #runDirectory: string
  /** Seconds since 1970, as all times here. */
  #startedSeconds: number | undefined
  /** Of the last event; `started` aside, which a new coordinator of the run repeats. */
  #lastSeconds = 0
  #header: RunHeader | undefined
  #points: StepPoint[] = []
  #stepsPerPoint = 1
  /** Steps of the last, incomplete point. */
  #gathered: StepPoint[] = []
  #evaluations: EvaluationPoint[] = []
  #lines: TimelineLine[] = []
  #members = new Map<number, Participation>()
  #outcome: RunOutcome | undefined
  #weights: WeightsByName | undefined
  #fresh = nothing()
  #isRewritten = false

  constructor(runDirectory: string) {
    this.#runDirectory = printable(runDirectory)
  }

  /** The run began then. Later `started` events are those of coordinators that went on with it. */
  began(timeSeconds: number): void {
    this.#startedSeconds ??= timeSeconds
  }

  /** @param timeSeconds since 1970 */
  observe(event: RunEvent, timeSeconds: number): void {
    switch (event.kind) {
      case 'started': {
        const { config, dataset, splitSizes, totalSteps, stepsPerEpoch, parameterCount } = event
        const startedSeconds = (this.#startedSeconds ??= timeSeconds)
        this.#header = {
          ...{ runDirectory: this.#runDirectory, startedSeconds, network: networkName(config), config },
          ...{ dataset: printable(dataset.name), datasetFingerprint: dataset.fingerprint },
          ...(isImages(dataset) && { imageShape: [dataset.height, dataset.width, dataset.channels] as const }),
          ...{ sampleShape: shapeOf(dataset), classNames: dataset.classNames.map(printable) },
          ...{ splitSizes, totalSteps, stepsPerEpoch, parameterCount },
          hyperparameters: hyperparameters(config, event),
        }
        this.#isRewritten = true
        break
      }
      case 'resumed': {
        // The workers of a coordinator that was killed left with it, and no event says so.
        for (const member of this.#members.values())
          if (member.leftSeconds === undefined) this.#member({ ...member, leftSeconds: this.#lastSeconds })
        break
      }
      case 'step': {
        const { step, epoch, loss, accuracy, learningRate, gradientNorm, durationMs, workers } = event
        const measured = { loss, ...(accuracy !== undefined && { accuracy }) }
        this.#add({ step, epoch, timeSeconds, durationMs, ...measured, learningRate, gradientNorm, workers })
        break
      }
      case 'evaluated': {
        const { split } = event.result
        const point = pointOf(event)
        const before = this.#evaluations.map((earlier) =>
          earlier.split === split ? withoutConfusion(earlier) : earlier,
        )
        this.#evaluations = last(MAX_EVALUATIONS, [...before, point])
        this.#fresh.evaluations.push(point)
        break
      }
      case 'worker-joined': {
        this.#member({ ...memberOf(event.worker), joinedSeconds: timeSeconds })
        break
      }
      case 'worker-left': {
        const { worker, samples } = event
        const joinedSeconds = this.#members.get(worker.id)?.joinedSeconds ?? timeSeconds
        const member = { ...memberOf(worker), joinedSeconds, leftSeconds: timeSeconds }
        this.#member({ ...member, ...(samples !== undefined && { samples }) })
        break
      }
      case 'finished': {
        this.finish(event.result)
        break
      }
    }
    if (event.kind !== 'started') this.#lastSeconds = timeSeconds
    // Expected events, such as a late shard that another worker recomputes, are for the log at debug level and the metrics.
    const text = levelOf(event) === 'debug' ? undefined : describeEvent(event)
    if (text === undefined) this.#limitNews()
    else this.addLine(text, timeSeconds, kindOf(event), workerOf(event))
  }

  /** Adds a line. */
  addLine(text: string, timeSeconds: number, kind: TimelineLine['kind'] = 'note', workerId?: number): void {
    const line = { timeSeconds, kind, text: printable(text), ...(workerId !== undefined && { workerId }) }
    this.#lines = last(MAX_LINES, [...this.#lines, line])
    this.#fresh.lines.push(line)
    this.#limitNews()
  }

  /** @param result in memory, or read from `result.json` */
  finish(result: KeptResult): void {
    this.#outcome = outcomeOf(result)
    this.#weights = weightsOf(result, this.#evaluations)
  }

  snapshot(): Snapshot {
    return {
      ...(this.#header !== undefined && { header: this.#header }),
      ...this.#ending(),
      stepsPerPoint: this.#stepsPerPoint,
      points: this.#points,
      evaluations: this.#evaluations,
      lines: this.#lines,
      members: [...this.#members.values()],
    }
  }

  /** Changes since the last call; undefined when earlier content changed: use {@link snapshot} instead. */
  takeUpdate(): Update | undefined {
    const update = this.#isRewritten ? undefined : { ...this.#fresh, ...this.#ending() }
    this.#fresh = nothing()
    this.#isRewritten = false
    return update
  }

  #ending(): Pick<Update, 'outcome' | 'weights'> {
    return {
      ...(this.#outcome !== undefined && { outcome: this.#outcome }),
      ...(this.#weights !== undefined && { weights: this.#weights }),
    }
  }

  #limitNews(): void {
    const { points, evaluations, lines } = this.#fresh
    if (points.length + evaluations.length + lines.length <= MAX_PENDING_EVENTS) return
    this.#fresh = nothing()
    this.#isRewritten = true
  }

  #member(member: Participation): void {
    this.#members.set(member.id, member)
    if (this.#members.size > MAX_MEMBERS) {
      const gone = [...this.#members.values()].find(({ leftSeconds }) => leftSeconds !== undefined) ?? member
      this.#members.delete(gone.id)
    }
    this.#fresh.members = [...this.#members.values()]
  }

  #add(point: StepPoint): void {
    this.#gathered.push(point)
    if (this.#gathered.length < this.#stepsPerPoint) return
    const whole = merged(this.#gathered)
    this.#gathered = []
    this.#points.push(whole)
    this.#fresh.points.push(whole)
    if (this.#points.length < MAX_POINTS) return
    this.#points = Array.from({ length: MAX_POINTS / 2 }, (_, pair) =>
      merged(this.#points.slice(2 * pair, 2 * pair + 2)),
    )
    this.#stepsPerPoint *= 2
    this.#isRewritten = true
  }
}

interface News {
  points: StepPoint[]
  evaluations: EvaluationPoint[]
  lines: TimelineLine[]
  members?: readonly Participation[]
}

function nothing(): News {
  return { points: [], evaluations: [], lines: [] }
}

/** Removes the confusion matrix of older evaluations: only the newest is shown, and with a thousand classes it has a million numbers. */
function withoutConfusion({ confusion: _, ...rest }: EvaluationPoint): EvaluationPoint {
  return rest
}

function memberOf({ id, name, device }: WorkerIdentity): Omit<Participation, 'joinedSeconds'> {
  const { kind, name: model, tensorflowVersion } = device
  return { id, name: printable(name), device: printable(model), deviceKind: kind, tensorflowVersion }
}

function kindOf(event: RunEvent): TimelineLine['kind'] {
  switch (event.kind) {
    case 'worker-joined':
      return 'joined'
    case 'worker-left':
      return 'left'
    default:
      return levelOf(event) === 'warn' ? 'fault' : 'note'
  }
}

function workerOf(event: RunEvent): number | undefined {
  switch (event.kind) {
    case 'worker-joined':
    case 'worker-left':
    case 'refused':
      return event.worker.id
    case 'reissued':
      return event.workerId
    default:
      return undefined
  }
}

function last<Item>(most: number, items: Item[]): Item[] {
  return items.length > most ? items.slice(-most) : items
}

function pointOf({ result, epoch, best }: Extract<RunEvent, { kind: 'evaluated' }>): EvaluationPoint {
  const { split, step, loss, accuracy, confusion, metrics } = result
  const measured = accuracy === undefined ? { ...(metrics && { metrics }) } : { accuracy, confusion }
  return { split, step, epoch, loss, best, ...measured }
}

/** The mean of consecutive points. */
function merged(points: readonly StepPoint[]): StepPoint {
  const mean = (of: (point: StepPoint) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const newest = points.at(-1)!
  return {
    ...newest,
    durationMs: mean(({ durationMs }) => durationMs),
    loss: mean(({ loss }) => loss),
    ...(newest.accuracy !== undefined && { accuracy: mean(({ accuracy }) => accuracy ?? 0) }),
    gradientNorm: mean(({ gradientNorm }) => gradientNorm),
  }
}
