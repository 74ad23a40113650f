import type { Scheduler } from '../scheduler/scheduler.js'
import { ConvoyError } from '../shared/errors.js'
import type { FromCoordinator, FromWorker, JoinRequest, LogLines } from '../shared/protocol/messages.js'
import { MAX_TEXT, shortened } from '../shared/protocol/text-bounds.js'
import type { RunObserver, WorkerIdentity } from '../training/run-events.js'
import { LEFT_ON_REQUEST } from '../training/run-events.js'
import type { ControlStream, LocalStream, Member } from './member.js'
import type { Members } from './members.js'
import { readHeartbeat } from './read-heartbeat.js'
import type { SchedulerDriver } from './scheduler-driver.js'

export interface WorkerConnectionsOptions {
  readonly members: Members
  readonly scheduler: Scheduler
  readonly driver: SchedulerDriver
  readonly observer: RunObserver
  /** Receives log lines of a worker. */
  readonly onLogs: (worker: WorkerIdentity, logs: LogLines) => void
  /** A worker became ready. */
  readonly onReady: () => void
  /** A worker left that was ready once. */
  readonly onLeft: () => void
  /** Workers that can compute now. */
  readonly workerCount: () => number
}

/** The control side of the pool: workers join, connect, send messages and leave; the scheduler receives each of these as an event. */
export class WorkerConnections {
  readonly #options: WorkerConnectionsOptions
  readonly #members: Members
  readonly #driver: SchedulerDriver
  /** Processes that were let go: one whose connection breaks before it learns that would join again. */
  readonly #letGo = new Set<string>()
  #finished: string | undefined

  constructor(options: WorkerConnectionsOptions) {
    this.#options = options
    this.#members = options.members
    this.#driver = options.driver
  }

  /** Admits a worker. @returns its id and the secret that authenticates its calls @throws as {@link Members.admit} */
  join(request: JoinRequest): { worker: number; session: string } {
    const { identity, secret, applicant } = this.#members.admit(request, (id, reason) => {
      this.drop(id, reason)
    })
    const machine = `${applicant.host} ${applicant.device.name}`
    this.#driver.handle({ kind: 'joined', worker: identity.id, name: identity.name, machine })
    if (this.#letGo.has(applicant.incarnation)) void this.letGo(identity.id)
    return { worker: identity.id, session: secret.hex }
  }

  /** True when `session` is what this worker got at join. Constant time. */
  authenticate(worker: number, session: string): boolean {
    return this.#members.find(worker)?.secret.matches(session) ?? false
  }

  /** Records that a worker called over the connection from `peer`, an `address:port`. */
  calledFrom(worker: number, peer: string): void {
    this.#members.calledFrom(worker, peer)
  }

  /** Whether the connection from `peer` belongs to a worker that takes part. */
  isCaller(peer: string): boolean {
    return this.#members.isCaller(peer)
  }

  /** The worker opened its control stream. @throws as {@link Members.take} */
  connect(worker: number, stream: ControlStream): void {
    this.#members.take(worker, stream)
    this.#driver.handle({ kind: 'connected', worker })
    if (this.#finished !== undefined) stream.send({ finish: { reason: this.#finished } })
  }

  /** The compute thread of the worker opened its local connection. @throws ConvoyError('protocol') when it has one already */
  connectLocally(worker: number, stream: LocalStream): void {
    const member = this.#members.get(worker)
    if (member.local !== undefined)
      throw new ConvoyError('protocol', `Worker ${worker} has a local connection already.`)
    member.local = stream
  }

  /** @throws ConvoyError('protocol') for a message that is malformed, or not allowed in the state of the worker */
  receive(worker: number, message: FromWorker): void {
    const member = this.#members.get(worker)
    if (message.ready) {
      this.#driver.handle({ kind: 'ready', worker }, () => {
        this.#becameReady(member)
      })
    } else if (message.heartbeat) {
      member.stats = readHeartbeat(message.heartbeat)
      const { shardsDone, workers } = member.stats
      this.#driver.handle({ kind: 'heartbeat', worker, shardsDone, ...(workers && { workers }) })
    } else if (message.failed) {
      const { lease, reason } = message.failed
      this.#driver.handle({ kind: 'failed', worker, lease, reason: shortened(reason, MAX_TEXT.reason) })
    } else if (message.logs) {
      this.#options.onLogs(member.identity, message.logs)
    } else if (message.leaving) {
      this.#driver.handle({ kind: 'draining', worker })
    } else {
      throw new ConvoyError('protocol', `Worker ${worker} sent an empty or unknown message.`)
    }
  }

  /**
   * The control stream broke, ended or was dropped. A second call has no effect.
   * @param isOwnFault a fault of the coordinator, which does not count as a failure of the worker
   */
  disconnect(worker: number, reason: string, isOwnFault = false): void {
    const member = this.#members.find(worker)
    if (member === undefined) return
    const { scheduler, observer, onLeft, workerCount } = this.#options
    const why = scheduler.stateOf(worker) === 'draining' ? LEFT_ON_REQUEST : reason
    this.#members.remove(member)
    member.local?.close()
    this.#driver.handle({ kind: 'gone', worker, reason: why, isOwnFault }, () => {
      // After the run every worker leaves: no event.
      if (!member.wasReady || this.#finished !== undefined) return
      const { identity, counts } = member
      observer({ kind: 'worker-left', worker: identity, reason: why, workers: workerCount(), samples: counts.samples })
    })
    if (member.wasReady) onLeft()
    member.gone.resolve()
  }

  /** Closes the control stream of a worker and gives its shards to others. The worker may join again. */
  drop(worker: number, reason: string, isOwnFault = false): void {
    const member = this.#members.find(worker)
    this.disconnect(worker, reason, isOwnFault)
    member?.stream?.drop(reason)
  }

  /** Sends a message, unless the worker left or has not connected yet. */
  send(worker: number, message: FromCoordinator): void {
    const member = this.#members.find(worker)
    if (member?.local && !message.finish) member.local.send(message)
    else member?.stream?.send(message)
  }

  /** Counts bytes that were sent to a worker over the network. */
  sent(worker: number, kind: 'weights' | 'samples', bytes: number): void {
    const member = this.#members.find(worker)
    if (member) member.counts.trafficBytes[kind] += bytes
  }

  /**
   * Lets a worker go, for good: it finishes its lease first.
   * @returns when it is gone
   * @throws ConvoyError('protocol') when there is no such worker (any more)
   */
  async letGo(worker: number): Promise<void> {
    const { applicant, gone } = this.#members.get(worker)
    this.#letGo.add(applicant.incarnation)
    this.#driver.handle({ kind: 'draining', worker, isOrdered: true })
    return gone.promise
  }

  /** No work is left: every worker gets `finish`, also one that connects later. */
  finish(reason: string): void {
    this.#finished = reason
    for (const { stream } of this.#members.all) stream?.send({ finish: { reason } })
  }

  #becameReady(member: Member): void {
    const { observer, onReady, workerCount } = this.#options
    member.wasReady = true
    onReady()
    observer({ kind: 'worker-joined', worker: member.identity, workers: workerCount() })
  }
}
