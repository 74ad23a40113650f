import { ConvoyError } from '../shared/errors.js'
import type { Rejection, RejectionCode } from '../shared/rejection.js'
import type { Choice } from './active-task.js'
import { ActiveTask } from './active-task.js'
import { FailureHistory } from './failure-history.js'
import type { SchedulerLimits } from './limits.js'
import type { LiveLease } from './live-leases.js'
import type { Effect, Lease, RetryCause, SchedulerEvent, Task } from './scheduler-events.js'
import { overlap, plain } from './scheduler-events.js'
import type { WorkerState } from './worker-states.js'
import type { WorkerRecord, WorkerView } from './worker-table.js'
import { roundsOf, WorkerTable } from './worker-table.js'

/**
 * Decides which worker computes which block, and which results count. A pure state machine: events with their time in, effects out; no
 * clock, socket, file or randomness. The sum is the same whichever worker gets which block.
 *     open ──grant──> leased ──good result──> counted          of an audited block: ──> kept ──two agree──> counted
 *      ^                │
 *      └── failed, bad result, revoked, worker gone
 *
 * Blocks are nodes of the reduction tree, sized by the measured speed of their worker. A block whose worker is overdue or
 * suspect may be leased to an idle worker as well; the first result counts and revokes all leases that overlap it.
 */
export class Scheduler {
  readonly #limits: SchedulerLimits
  /** One lease in this many is audited; 0: none. */
  readonly #auditEvery: number
  readonly #workers: WorkerTable
  readonly #failureHistory: FailureHistory
  #task: ActiveTask | undefined
  #nextLease = 1
  #effects: Effect[] = []

  constructor(limits: SchedulerLimits, auditEvery: number) {
    this.#limits = limits
    this.#auditEvery = auditEvery
    this.#failureHistory = new FailureHistory(limits)
    this.#workers = new WorkerTable(limits, this.#failureHistory, (effect) => this.#effects.push(effect))
  }

  /** @throws ConvoyError('internal') for an impossible event, such as a second task at a time; ConvoyError('protocol') for one of a worker that left, or is not in the right state */
  handle(nowMs: number, event: SchedulerEvent): Effect[] {
    // While this process was stopped or busy it could not receive messages: that time does not count as silence of the workers.
    const late = Math.max(0, nowMs - this.#workers.nowMs - this.#limits.heartbeatMs)
    if (late > 0) this.#workers.forgiveSilence(late)
    this.#workers.nowMs = nowMs
    this.#effects = []
    this.#apply(event)
    this.#settleAudits()
    this.#grant()
    return this.#effects
  }

  /** The lease that a result of this worker may count for; undefined when it is stale or another's. */
  lease(id: number, worker: number): Lease | undefined {
    const lease = this.#task?.leases.get(id)
    return lease?.worker === worker ? lease : undefined
  }

  stateOf(worker: number): WorkerState | undefined {
    return this.#workers.get(worker)?.state
  }

  /** Workers in any of these states. */
  count(...states: readonly WorkerState[]): number {
    return this.#workers.count(...states)
  }

  workers(): WorkerView[] {
    return this.#workers.views()
  }

  /** Whether the result of this lease must come with a hash: it is audited. */
  needsHash(lease: number): boolean {
    return this.#task?.leases.get(lease)?.audit !== undefined
  }

  get leases(): readonly Lease[] {
    return this.#task?.leases.all ?? []
  }

  /** When to send the next `tick` if nothing else happens before: an idle worker may then take an overdue block. Infinity: no need. */
  get wakeMs(): number {
    if (this.#task === undefined || !this.#workers.hasIdle) return Infinity
    return this.#task.nextOverdueMs
  }

  #apply(event: SchedulerEvent): void {
    switch (event.kind) {
      case 'joined':
        return this.#workers.joined(event.worker, event.name, event.machine ?? '')
      case 'connected':
        return this.#workers.connected(this.#workers.heard(event.worker))
      case 'ready':
        return this.#workers.ready(this.#workers.heard(event.worker))
      case 'heartbeat':
        return this.#workers.heartbeat(this.#workers.heard(event.worker), event)
      case 'draining':
        return this.#workers.draining(
          event.isOrdered ? this.#workers.get(event.worker)! : this.#workers.heard(event.worker),
        )
      case 'gone':
        return this.#gone(event.worker, event.reason, event.isOwnFault ?? false)
      case 'begin':
        return this.#begin(event.task)
      case 'abandon':
        return this.#abandon()
      case 'good-result':
        return this.#goodResult(this.#workers.heard(event.worker), event.lease, event.hash)
      case 'bad-result':
        return this.#badResult(this.#workers.heard(event.worker), event.lease, event, event.hash)
      case 'failed':
        return this.#failed(this.#workers.heard(event.worker), event.lease, event.reason)
      case 'tick':
        return this.#workers.tick()
    }
  }

  #gone(id: number, reason: string, isOwnFault: boolean): void {
    const worker = this.#workers.get(id)!
    const { lease } = worker
    this.#workers.delete(id)
    if (lease === undefined) return
    this.#end(lease)
    if (!isOwnFault) this.#strike(worker, reason)
    this.#task!.shards.lost(lease, worker.name)
    this.#reissue(lease, 'lost', reason)
  }

  #strike(worker: WorkerRecord, reason: string): void {
    const untilMs = this.#failureHistory.failed(worker.name, this.#workers.nowMs)
    if (untilMs !== undefined) this.#quarantine(worker.name, untilMs, reason)
  }

  #quarantine(name: string, untilMs: number, reason: string): void {
    this.#effects.push({ kind: 'quarantine', name, untilMs, reason })
    for (const worker of this.#workers.all) {
      if (worker.name !== name) continue
      if (worker.lease) this.#revoke(worker.lease)
      if (['ready', 'suspect'].includes(worker.state)) this.#workers.become(worker, 'quarantined')
    }
  }

  #begin(task: Task): void {
    if (this.#task !== undefined)
      throw new ConvoyError('internal', `task ${task.id} began before task ${this.#task.id} was done`)
    this.#task = new ActiveTask(task, this.#limits, this.#workers, this.#auditEvery)
    for (const worker of this.#workers.all) worker.passedOver = false
  }

  #abandon(): void {
    if (this.#task === undefined) return
    for (const lease of this.#task.leases.all) this.#revoke(lease)
    for (const lease of this.#task.audits.kept) this.#effects.push({ kind: 'discard', lease, code: 'abandoned' })
    this.#task = undefined
  }

  #goodResult(worker: WorkerRecord, id: number, hash: string | undefined): void {
    const lease = this.#current(worker, id)
    if (lease === undefined) return
    if (lease.audit !== undefined && hash === undefined)
      throw new ConvoyError('internal', `the result of audited lease ${id} came without a hash`)
    lease.audit?.finish(id, hash!)
    this.#end(lease)
    this.#workers.leaseEnded(worker)
    if (lease.isMeasured) {
      worker.speed.measure(this.#task!.kind, (this.#workers.nowMs - lease.grantedMs) / roundsOf(worker, lease))
    }
    if (lease.audit === undefined) return this.#count(lease, worker.name)
    this.#effects.push({ kind: 'keep', lease: plain(lease) })
  }

  #badResult(worker: WorkerRecord, id: number, { code, reason }: Rejection, hash: string): void {
    const lease = this.#current(worker, id)
    if (lease === undefined) return
    this.#end(lease)
    this.#workers.leaseEnded(worker)
    this.#strike(worker, reason)
    const agreeing = this.#task!.shards.bad(lease, worker, hash)
    if (agreeing >= 2 && this.#task!.isExhausted(lease)) return this.#giveUp(lease, 'same-result', reason, code)
    this.#reissue(lease, 'bad_result', reason, code)
  }

  #failed(worker: WorkerRecord, id: number, reason: string): void {
    const lease = this.#current(worker, id)
    if (lease === undefined) return
    this.#end(lease)
    this.#workers.leaseEnded(worker)
    this.#strike(worker, reason)
    this.#task!.shards.failed(lease, worker)
    this.#reissue(lease, 'failed', reason)
  }

  /** The lease with this id, if the worker holds it; otherwise its result is discarded. */
  #current(worker: WorkerRecord, id: number): LiveLease | undefined {
    const lease = this.#task?.leases.get(id)
    if (lease?.worker === worker.id) return lease
    this.#effects.push({ kind: 'discard', lease: id, code: 'stale' })
    return undefined
  }

  /** Counts the result of this lease. Leases that overlap it are not needed any more. */
  #count(lease: Lease, name: string): void {
    const task = this.#task!
    this.#failureHistory.succeeded(name)
    task.shards.count(lease)
    this.#effects.push({ kind: 'count', lease: plain(lease) })
    for (const other of task.leases.all) if (overlap(lease, other)) this.#overtaken(other)
    if (!task.shards.isDone) return
    task.stragglers.recordPassedOver()
    this.#abandon()
    this.#effects.push({ kind: 'done', task: task.id })
  }

  #overtaken(lease: LiveLease): void {
    if (!lease.audit) {
      const elapsedMs = this.#workers.nowMs - lease.grantedMs
      const worker = this.#workers.get(lease.worker)!
      worker.speed.overtaken(this.#task!.kind, elapsedMs / roundsOf(worker, lease))
    }
    this.#revoke(lease)
  }

  /** The shards are open again, unless they failed too often. */
  #reissue(lease: Lease, cause: RetryCause, reason: string, code?: RejectionCode): void {
    this.#effects.push({ kind: 'reissue', worker: lease.worker, shards: lease.shardCount, cause, reason })
    const giveUpCause = this.#task!.giveUpCause(lease)
    if (giveUpCause !== undefined) this.#giveUp(lease, giveUpCause, reason, code)
  }

  #giveUp(lease: Lease, cause: 'same-result' | 'failures' | 'losses', reason: string, code?: RejectionCode): void {
    const { firstShard, shardCount } = lease
    const { failedBy } = this.#task!.shards.worst(lease)
    this.#effects.push({ kind: 'give-up', task: lease.task, firstShard, shardCount, cause, code, reason, failedBy })
    this.#abandon()
  }

  #revoke(lease: LiveLease): void {
    this.#end(lease)
    this.#effects.push({ kind: 'revoke', lease: plain(lease) })
    const worker = this.#workers.get(lease.worker)!
    worker.wasRevoked = true
    this.#workers.leaseEnded(worker)
  }

  /** No worker holds this lease any more. */
  #end(lease: LiveLease): void {
    this.#task!.leases.delete(lease.id)
    lease.audit?.lost(lease.id)
    const worker = this.#workers.get(lease.worker)
    if (worker) worker.lease = undefined
  }

  #settleAudits(): void {
    for (const audit of this.#task?.audits.all ?? []) {
      const conclusion = this.#task!.audits.conclude(audit)
      if (conclusion === undefined) continue
      this.#effects.push({ kind: 'audit', outcome: conclusion.outcome })
      if (conclusion.outcome === 'disputed') continue
      const { lease: id, worker, name, block, discarded, wrong } = conclusion
      for (const lease of discarded) this.#effects.push({ kind: 'discard', lease, code: 'audited' })
      this.#count({ id, task: this.#task!.id, worker, firstShard: block.first, shardCount: block.count }, name)
      for (const other of wrong) this.#distrust(other)
      if (this.#task === undefined) return
    }
  }

  /** The worker computed a wrong result. Its results in other audits are discarded: any of them could end up as the only one. */
  #distrust(name: string): void {
    this.#failureHistory.distrust(name)
    this.#quarantine(name, Infinity, 'computed another result than two others, or than itself before')
    for (const lease of this.#task?.audits.discardBy(name) ?? [])
      this.#effects.push({ kind: 'discard', lease, code: 'audited' })
  }

  #grant(): void {
    const task = this.#task
    if (task === undefined || !this.#workers.hasIdle) return
    const { late } = task
    // After most events there is nothing to grant: with a thousand workers, the rest would take most of the time.
    if (late.length === 0 && !task.hasOpen) return
    const shares = task.shares()
    for (const worker of this.#workers.idle(task.kind)) {
      const choice = task.choose(worker, shares.get(worker)!, late)
      if (choice !== undefined) this.#lease(task, worker, choice)
    }
  }

  #lease(task: ActiveTask, worker: WorkerRecord, choice: Choice): void {
    const id = this.#nextLease++
    const { first: firstShard, count: shardCount } = choice.block
    if (choice.kind === 'rescue')
      this.#effects.push({ kind: 'rescue', worker: worker.id, late: choice.late, shards: shardCount })
    const lease: LiveLease = {
      ...{ id, task: task.id, worker: worker.id, firstShard, shardCount },
      ...{ grantedMs: this.#workers.nowMs, isMeasured: !worker.wasRevoked, progressReports: 0 },
      audit: task.auditOf(choice, id, worker),
    }
    lease.audit?.start(id, worker.id, worker.name)
    task.leases.add(lease)
    this.#workers.leaseStarted(worker, lease)
    this.#effects.push({ kind: 'grant', lease: plain(lease) })
  }
}
