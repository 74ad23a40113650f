import type { PhaseReport } from '../metrics/phases.js'
import { PhaseTimes } from '../metrics/phases.js'
import { ConvoyError } from '../shared/errors.js'
import type { JoinRequest } from '../shared/protocol/messages.js'
import { counted } from '../shared/units.js'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import type { Applicant } from './admission.js'
import { Admission } from './admission.js'
import type { ControlStream } from './member.js'
import { Member } from './member.js'

/** Most joins whose control stream is not open yet. */
const MAX_PENDING = 64
/** Most connections of one worker. It has two, and for a while four when it reconnects before the old ones are missed. */
const MAX_CONNECTIONS = 6

/** What a run knows of the workers that earlier coordinators had. */
export interface EarlierWorkers {
  /** Of the device whose results were used; undefined: none were. */
  readonly deviceFingerprint?: string | undefined
  /** The highest id; 0: there were none. */
  readonly lastWorkerId: number
}

/** The workers of a run now, by id. An id is never used twice. */
export class Members {
  readonly #admission: Admission
  readonly #maxWorkers: number
  readonly #members = new Map<number, Member>()
  /** Workers by their connections. Several in one process may share one. */
  readonly #callers = new Map<string, Set<number>>()
  readonly #departedTimes = new PhaseTimes()
  #nextId: number

  /**
   * @param allowMixedDevices accept workers whose bits may differ
   * @param earlier workers of earlier coordinators of this run
   */
  constructor(maxWorkers: number, allowMixedDevices: boolean, { deviceFingerprint, lastWorkerId }: EarlierWorkers) {
    this.#maxWorkers = maxWorkers
    this.#admission = new Admission(allowMixedDevices, deviceFingerprint)
    this.#nextId = lastWorkerId + 1
  }

  /** Of the device whose bits are promised; undefined: no result was used yet. */
  get deviceFingerprint(): string | undefined {
    return this.#admission.fingerprint
  }

  get all(): Iterable<Member> {
    return this.#members.values()
  }

  find(id: number): Member | undefined {
    return this.#members.get(id)
  }

  /** @throws ConvoyError('protocol') when no worker has this id */
  get(id: number): Member {
    const member = this.#members.get(id)
    if (member === undefined) throw new ConvoyError('protocol', `There is no worker ${id} (any more).`)
    return member
  }

  /**
   * Admits a worker that asks to join. It takes a place only when it opens its control stream: see {@link take}.
   * @param drop disconnects a worker
   * @throws ConvoyError('unavailable') when the run is full or its name is taken; what {@link Admission.check} throws
   */
  admit(request: JoinRequest, drop: (id: number, reason: string) => void): Member {
    const applicant = this.#admission.check(request)
    for (const [id, { applicant: other }] of this.#members) {
      if (other.name === applicant.name && other.incarnation === applicant.incarnation) drop(id, 'joined again')
    }
    this.#checkPlace(applicant)
    const pending = [...this.#members].filter(([, { stream }]) => stream === undefined)
    // The oldest had the most time to open its stream.
    if (pending.length >= MAX_PENDING)
      drop(pending[0]![0], `${MAX_PENDING} others joined before it opened its control stream`)
    const member = new Member(this.#nextId++, applicant)
    this.#members.set(member.identity.id, member)
    return member
  }

  /**
   * Gives a place to a worker that joined and has opened its control stream.
   * @throws ConvoyError('protocol') when it has one already; ConvoyError('unavailable') when the run is full or its name was taken meanwhile
   */
  take(id: number, stream: ControlStream): void {
    const member = this.get(id)
    if (member.stream !== undefined) throw new ConvoyError('protocol', `Worker ${id} has a control stream already.`)
    this.#checkPlace(member.applicant)
    member.stream = stream
  }

  /** Records that a worker called over the connection from `peer`. Beyond {@link MAX_CONNECTIONS}, the oldest is released. */
  calledFrom(id: number, peer: string): void {
    const { peers } = this.get(id)
    const workers = this.#callers.get(peer) ?? new Set()
    this.#callers.set(peer, workers.add(id))
    const [oldest] = peers.add(peer)
    if (peers.size > MAX_CONNECTIONS) this.#release(id, peers, oldest!)
  }

  /** Whether the connection from `peer` belongs to a worker that takes part. */
  isCaller(peer: string): boolean {
    return this.#callers.has(peer)
  }

  #release(id: number, peers: Set<string>, peer: string): void {
    peers.delete(peer)
    const workers = this.#callers.get(peer)
    workers?.delete(id)
    if (workers?.size === 0) this.#callers.delete(peer)
  }

  /** A result of this worker was used. @returns workers that compute other bits, and must be disconnected */
  counted(id: number): Member[] {
    const member = this.#members.get(id)
    if (member === undefined || !this.#admission.counted(member.applicant.device)) return []
    return [...this.#members.values()].filter(({ applicant }) => !this.#admission.computesAlike(applicant.device))
  }

  /** Nothing was computed by workers yet, or by those of an earlier coordinator. @returns false: it computes other bits */
  computesHere(device: DeviceDescription): boolean {
    if (!this.#admission.computesAlike(device)) return false
    this.#admission.counted(device)
    return true
  }

  /** Counts only workers that have a place: a join alone does not block others. */
  #checkPlace({ name }: Applicant): void {
    const placed = [...this.#members.values()].filter(({ stream }) => stream !== undefined)
    if (placed.some(({ applicant }) => applicant.name === name)) {
      throw new ConvoyError(
        'unavailable',
        `A worker named ${name} takes part already. Give this one another name (\`convoy worker --name\`), or wait until the other is gone.`,
      )
    }
    if (placed.length >= this.#maxWorkers)
      throw new ConvoyError(
        'unavailable',
        `There are ${counted(this.#maxWorkers, 'worker')} already; \`convoy coordinator --max-workers\`, or \`convoy relay --max-workers\`, allows more.`,
      )
  }

  /** The worker left. Its phases stay in {@link phases}. */
  remove({ identity: { id }, stats, peers }: Member): void {
    this.#members.delete(id)
    for (const peer of peers) this.#release(id, peers, peer)
    this.#departedTimes.add(stats.phases)
  }

  /** Phases of all workers that ever took part, added up. */
  phases(): PhaseReport[] {
    const all = new PhaseTimes()
    all.add(this.#departedTimes.report())
    for (const { stats } of this.#members.values()) all.add(stats.phases)
    return all.report()
  }
}
