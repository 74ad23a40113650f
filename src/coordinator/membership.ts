import type { PhaseReport } from '../metrics/phases.js'
import { PhaseTimes } from '../metrics/phases.js'
import { ConvoyError } from '../shared/errors.js'
import type { FromCoordinator, Heartbeat, JoinRequest } from '../shared/protocol/messages.js'
import { counted } from '../shared/units.js'
import type { Applicant } from './admission.js'
import { Admission, SessionSecret } from './admission.js'
import type { WorkerView } from '../scheduler/worker-table.js'
import type { WorkerSummary } from '../training/run-events.js'
import type { WorkerReport } from './worker-report.js'
import { NO_REPORT, readHeartbeat } from './worker-report.js'

/** The control stream to one worker, as the pool needs it. */
export interface WorkerConnection {
  send(message: FromCoordinator): void
  /** Closes the stream at once, without waiting for the worker. */
  drop(reason: string): void
}

/** What the coordinator keeps of a worker from join to departure, beside what the scheduler knows. */
export class Member {
  readonly applicant: Applicant
  readonly summary: WorkerSummary
  readonly secret = new SessionSecret()
  connection: WorkerConnection | undefined
  /** From where it called: `address:port` of its connections, the oldest first. */
  readonly peers = new Set<string>()
  /** It was ready once: people were told that it joined. */
  wasReady = false
  report: WorkerReport = NO_REPORT
  /** Bytes of results that came from it; of weights and samples that were sent to it. */
  readonly bytes = { results: 0, weights: 0, samples: 0 }
  /** Training samples whose gradients counted. */
  samples = 0
  /** Its results that did not count. */
  refused = 0
  /** Its shards that were given to others, by cause. */
  readonly reissued = { failed: 0, bad_result: 0 }

  constructor(id: number, applicant: Applicant) {
    this.applicant = applicant
    const { name, device } = applicant
    this.summary = { id, name, device }
  }

  /** @throws ConvoyError('protocol') for words that make no sense */
  heard(heartbeat: Heartbeat): void {
    this.report = readHeartbeat(heartbeat)
  }

  view({ state, silentMs, score, lease }: WorkerView): WorkerStatusView {
    const { summary, report, bytes, samples, refused, reissued } = this
    return { ...summary, ...report, state, silentMs, score, leases: lease ? 1 : 0, bytes, samples, refused, reissued }
  }
}

export interface WorkerStatusView
  extends
    WorkerSummary,
    WorkerReport,
    Pick<WorkerView, 'state' | 'silentMs' | 'score'>,
    Pick<Member, 'bytes' | 'samples' | 'refused' | 'reissued'> {
  /** Held now: 0 or 1. */
  readonly leases: number
}

/** Joins whose control stream is not open yet. */
const MAX_PENDING = 64
/** Connections of one worker. It has two, and after a break new ones before the old ones are missed. */
const MAX_CONNECTIONS = 6

/** Who takes part in a run now, by id. Ids are never used twice. */
export class Membership {
  readonly #admission: Admission
  readonly #maxWorkers: number
  readonly #members = new Map<number, Member>()
  /** Workers by their connections. Several in one process may share one. */
  readonly #callers = new Map<string, Set<number>>()
  readonly #departedTimes = new PhaseTimes()
  #nextId = 1

  /** @param allowMixedDevices accept workers whose bits may differ */
  constructor(maxWorkers: number, allowMixedDevices: boolean) {
    this.#maxWorkers = maxWorkers
    this.#admission = new Admission(allowMixedDevices)
  }

  get all(): Iterable<Member> {
    return this.#members.values()
  }

  find(id: number): Member | undefined {
    return this.#members.get(id)
  }

  /** @throws ConvoyError('protocol') when there is none */
  get(id: number): Member {
    const member = this.#members.get(id)
    if (member === undefined) throw new ConvoyError('protocol', `There is no worker ${id} (any more).`)
    return member
  }

  /**
   * A worker asks to take part. It has no place before it opens its control stream: see {@link take}.
   * @param drop ends a membership
   * @throws ConvoyError('unavailable') when the run is full or its name is taken; what {@link Admission.check} throws
   */
  admit(request: JoinRequest, drop: (id: number, reason: string) => void): Member {
    const applicant = this.#admission.check(request)
    for (const [id, { applicant: other }] of this.#members) {
      if (other.name === applicant.name && other.incarnation === applicant.incarnation) drop(id, 'joined again')
    }
    this.#checkPlace(applicant)
    const pending = [...this.#members].filter(([, { connection }]) => connection === undefined)
    // The oldest had the most time to open its stream.
    if (pending.length >= MAX_PENDING)
      drop(pending[0]![0], `${MAX_PENDING} others joined before it opened its control stream`)
    const member = new Member(this.#nextId++, applicant)
    this.#members.set(member.summary.id, member)
    return member
  }

  /**
   * A worker that joined opened its control stream, and gets its place.
   * @throws ConvoyError('protocol') when it has one already; ConvoyError('unavailable') when the run is full or its name was taken meanwhile
   */
  take(id: number, connection: WorkerConnection): void {
    const member = this.get(id)
    if (member.connection !== undefined) throw new ConvoyError('protocol', `Worker ${id} has a control stream already.`)
    this.#checkPlace(member.applicant)
    member.connection = connection
  }

  /** A call of this worker came over the connection from `peer`. Of too many connections, the oldest is no longer its own. */
  calledFrom(id: number, peer: string): void {
    const { peers } = this.get(id)
    const workers = this.#callers.get(peer) ?? new Set()
    this.#callers.set(peer, workers.add(id))
    const [oldest] = peers.add(peer)
    if (peers.size > MAX_CONNECTIONS) this.#release(id, peers, oldest!)
  }

  /** Whether a connection is one of a worker. */
  isCaller(peer: string): boolean {
    return this.#callers.has(peer)
  }

  #release(id: number, peers: Set<string>, peer: string): void {
    peers.delete(peer)
    const workers = this.#callers.get(peer)
    workers?.delete(id)
    if (workers?.size === 0) this.#callers.delete(peer)
  }

  /** A result of this worker counted. @returns workers that compute other bits, and so must go */
  counted(id: number): Member[] {
    const member = this.#members.get(id)
    if (member === undefined || !this.#admission.counted(member.applicant.device)) return []
    return [...this.#members.values()].filter(({ applicant }) => !this.#admission.computesAlike(applicant.device))
  }

  /** Counts those that have a place: a join alone keeps nobody out. */
  #checkPlace({ name }: Applicant): void {
    const placed = [...this.#members.values()].filter(({ connection }) => connection !== undefined)
    if (placed.some(({ applicant }) => applicant.name === name)) {
      throw new ConvoyError(
        'unavailable',
        `A worker named ${name} takes part already. Give this one another name (\`convoy worker --name\`), or wait until the other is gone.`,
      )
    }
    if (placed.length >= this.#maxWorkers)
      throw new ConvoyError(
        'unavailable',
        `The run has its ${counted(this.#maxWorkers, 'worker')}; \`convoy coordinator --max-workers\` allows more.`,
      )
  }

  remove({ summary, report, peers }: Member): void {
    this.#members.delete(summary.id)
    for (const peer of peers) this.#release(summary.id, peers, peer)
    this.#departedTimes.add(report.phases)
  }

  /** Phases of all workers that ever took part, added up. */
  phases(): PhaseReport[] {
    const all = new PhaseTimes()
    all.add(this.#departedTimes.report())
    for (const { report } of this.#members.values()) all.add(report.phases)
    return all.report()
  }
}
