import type { Rejection, RejectionCode } from '../shared/rejection.js'
import { ConvoyError } from '../shared/errors.js'
import { Audit } from './audit.js'
import type { SchedulerLimits } from './limits.js'
import { StragglerPolicy } from './straggler-policy.js'
import type { Effect, Lease, RetryCause, SchedulerEvent, Task } from './scheduler-events.js'
import { holds, overlap, plain } from './scheduler-events.js'
import { FailureHistory } from './failure-history.js'
import type { Block } from './task-shards.js'
import { TaskShards } from './task-shards.js'
import type { WorkerState } from './worker-states.js'
import type { LiveLease, WorkerRecord, WorkerView } from './worker-table.js'
import { WorkerTable } from './worker-table.js'

/**
 * Decides who computes what, and whose result counts. A pure state machine: events with their time in, effects out; no clock,
 * socket, file or randomness. Which worker gets which block never shows in the result.
 *
 *     open ──grant──> leased ──good result──> counted          of an audited block: ──> kept ──two agree──> counted
 *      ^                │
 *      └── failed, bad result, revoked, worker gone
 *
 * Blocks are nodes of the reduction tree, sized by the measured speed of their worker. A block whose worker is overdue or
 * suspect may be leased once more to somebody idle; whichever result comes first counts and revokes all that overlap it.
 */
export class Scheduler {
  readonly #limits: SchedulerLimits
  /** One lease in so many is audited; 0: none. */
  readonly #auditEvery: number
  readonly #workers: WorkerTable
  readonly #leases = new Map<number, LiveLease>()
  readonly #failureHistory: FailureHistory
  #task: (Task & { readonly taskShards: TaskShards; readonly stragglerPolicy: StragglerPolicy }) | undefined
  #audits: Audit[] = []
  #nextLease = 1
  #effects: Effect[] = []

  constructor(limits: SchedulerLimits, auditEvery: number) {
    this.#limits = limits
    this.#auditEvery = auditEvery
    this.#failureHistory = new FailureHistory(limits)
    this.#workers = new WorkerTable(limits, this.#failureHistory, (effect) => this.#effects.push(effect))
  }

  /** @throws ConvoyError('internal') for an event that cannot be, such as a second task at a time */
  handle(nowMs: number, event: SchedulerEvent): Effect[] {
    // Time that stood still while this process was stopped or busy is nobody's silence.
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
    const lease = this.#leases.get(id)
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

  needsHash(lease: number): boolean {
    return this.#leases.get(lease)?.audit !== undefined
  }

  get leases(): readonly Lease[] {
    return [...this.#leases.values()]
  }

  /** When to send the next `tick` if nothing else happens before: somebody idle may then help out. Infinity: no need. */
  get wakeMs(): number {
    if (this.#task === undefined || this.#workers.idle(this.#task.kind).length === 0) return Infinity
    const overdueMs = [...this.#leases.values()].map((lease) => this.#task!.stragglerPolicy.overdueMs(lease))
    return Math.min(...overdueMs.filter((ms) => ms > this.#workers.nowMs))
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
        return this.#workers.heartbeat(this.#workers.heard(event.worker), event.shardsDone)
      case 'draining':
        return this.#workers.draining(this.#workers.heard(event.worker))
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
    this.#task!.taskShards.lost(lease, worker.name)
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
    const taskShards = new TaskShards(task.shards)
    this.#task = {
      ...task,
      taskShards,
      stragglerPolicy: new StragglerPolicy(this.#limits, this.#workers, taskShards, task.kind),
    }
    for (const worker of this.#workers.all) worker.passedOver = false
  }

  #abandon(): void {
    for (const lease of this.#leases.values()) this.#revoke(lease)
    this.#discardKept('abandoned')
    this.#task = undefined
  }

  #goodResult(worker: WorkerRecord, id: number, hash: string | undefined): void {
    const lease = this.#current(worker, id)
    if (lease === undefined) return
    if (lease.audit !== undefined && hash === undefined)
      throw new ConvoyError('internal', `the result of audited lease ${id} came without a hash`)
    lease.audit?.finish(id, hash!)
    this.#end(lease)
    this.#setIdle(worker)
    if (lease.isMeasured) {
      worker.speed.measure(this.#task!.kind, (this.#workers.nowMs - lease.grantedMs) / lease.shardCount)
    }
    if (lease.audit === undefined) return this.#count(lease, worker.name)
    this.#effects.push({ kind: 'keep', lease: plain(lease) })
  }

  #badResult(worker: WorkerRecord, id: number, { code, reason }: Rejection, hash: string): void {
    const lease = this.#current(worker, id)
    if (lease === undefined) return
    this.#end(lease)
    this.#setIdle(worker)
    this.#strike(worker, reason)
    const agreeing = this.#task!.taskShards.bad(lease, worker, hash)
    if (agreeing >= 2 && this.#isExhausted(lease)) return this.#giveUp(lease, 'same-result', reason, code)
    this.#reissue(lease, 'bad_result', reason, code)
  }

  #failed(worker: WorkerRecord, id: number, reason: string): void {
    const lease = this.#current(worker, id)
    if (lease === undefined) return
    this.#end(lease)
    this.#setIdle(worker)
    this.#strike(worker, reason)
    this.#task!.taskShards.failed(lease, worker)
    this.#reissue(lease, 'failed', reason)
  }

  /** The live lease that a worker speaks of; a result for another is discarded. */
  #current(worker: WorkerRecord, id: number): LiveLease | undefined {
    const lease = this.#leases.get(id)
    if (lease?.worker === worker.id) return lease
    this.#effects.push({ kind: 'discard', lease: id, code: 'stale' })
    return undefined
  }

  /** This result is the one that counts for its block. What overlaps it is not needed any more. */
  #count(lease: Lease, name: string): void {
    this.#failureHistory.succeeded(name)
    this.#task!.taskShards.count(lease)
    this.#effects.push({ kind: 'count', lease: plain(lease) })
    for (const other of this.#leases.values()) if (overlap(lease, other)) this.#overtaken(other)
    if (!this.#task!.taskShards.isDone) return
    this.#task!.stragglerPolicy.notePassedOver()
    const task = this.#task!
    this.#abandon()
    this.#effects.push({ kind: 'done', task: task.id })
  }

  #overtaken(lease: LiveLease): void {
    if (!lease.audit) {
      const elapsedMs = this.#workers.nowMs - lease.grantedMs
      this.#workers.get(lease.worker)!.speed.overtaken(this.#task!.kind, elapsedMs / lease.shardCount)
    }
    this.#revoke(lease)
  }

  /** The shards are open again, unless this was once too often. */
  #reissue(lease: Lease, cause: RetryCause, reason: string, code?: RejectionCode): void {
    this.#effects.push({ kind: 'reissue', worker: lease.worker, shards: lease.shardCount, cause, reason })
    const { failures, losses, failedBy } = this.#task!.taskShards.worst(lease)
    const { workersPerShard, failuresPerShard, lossesPerShard } = this.#limits
    const isOften = failedBy.length >= workersPerShard || failures >= failuresPerShard
    if (isOften && this.#isExhausted(lease)) this.#giveUp(lease, 'failures', reason, code)
    else if (losses >= lossesPerShard) this.#giveUp(lease, 'losses', reason, code)
  }

  #giveUp(lease: Lease, cause: 'same-result' | 'failures' | 'losses', reason: string, code?: RejectionCode): void {
    const { firstShard, shardCount } = lease
    const { failedBy } = this.#task!.taskShards.worst(lease)
    this.#effects.push({ kind: 'give-up', task: lease.task, firstShard, shardCount, cause, code, reason, failedBy })
    this.#abandon()
  }

  #isExhausted(lease: Lease): boolean {
    return this.#task!.taskShards.isExhausted(lease, this.#workers.eligible(), this.#limits.workersPerShard)
  }

  #revoke(lease: LiveLease): void {
    this.#end(lease)
    this.#effects.push({ kind: 'revoke', lease: plain(lease) })
    const worker = this.#workers.get(lease.worker)!
    worker.wasRevoked = true
    this.#setIdle(worker)
  }

  /** The lease is nobody's any more. */
  #end(lease: LiveLease): void {
    this.#leases.delete(lease.id)
    lease.audit?.lost(lease.id)
    const worker = this.#workers.get(lease.worker)
    if (worker) worker.lease = undefined
  }

  #setIdle(worker: WorkerRecord): void {
    if (worker.state === 'busy') this.#workers.become(worker, 'ready')
    else if (worker.state === 'draining') this.#workers.release(worker)
  }

  #settleAudits(): void {
    for (const audit of this.#audits) {
      const verdict = audit.verdict()
      if (verdict.kind === 'agreed') {
        this.#conclude(audit, verdict.lease, verdict.wrong.length > 0 ? 'mismatch' : 'agreed')
        for (const name of verdict.wrong) this.#distrust(name)
      } else if (audit.finished.length > 0 && audit.running === 0 && !this.#couldHelp(audit)) {
        if (audit.finished.length === 1) this.#conclude(audit, audit.finished[0]!, 'unverified')
        else if (!audit.disputeSaid) {
          audit.disputeSaid = true
          this.#effects.push({ kind: 'audit', outcome: 'disputed' })
        }
      }
      if (this.#task === undefined) return
    }
  }

  #conclude(audit: Audit, leaseId: number, outcome: 'agreed' | 'mismatch' | 'unverified'): void {
    this.#audits = this.#audits.filter((other) => other !== audit)
    this.#effects.push({ kind: 'audit', outcome })
    for (const lease of audit.finished) {
      if (lease !== leaseId) this.#effects.push({ kind: 'discard', lease, code: 'audited' })
    }
    const task = this.#task!.id
    const { worker, name } = audit.executor(leaseId)
    this.#count({ id: leaseId, task, worker, firstShard: audit.first, shardCount: audit.count }, name)
  }

  /** It computes wrongly: what it computed for other audits would be the only result if nobody were left to compare it with. */
  #distrust(name: string): void {
    this.#failureHistory.distrust(name)
    this.#quarantine(name, Infinity, 'computed another result than two others, or than itself before')
    for (const audit of this.#audits) {
      for (const lease of audit.discardBy(name)) this.#effects.push({ kind: 'discard', lease, code: 'audited' })
    }
  }

  #couldHelp(audit: Audit): boolean {
    return this.#workers.eligible().some((worker) => this.#couldAudit(worker, audit))
  }

  #couldAudit(worker: WorkerRecord, audit: Audit): boolean {
    const eligible = this.#workers.eligible()
    const names = eligible.map(({ name }) => name)
    return audit.wants(worker.name, names) && this.#task!.taskShards.mayTakeBlock(audit, worker, eligible)
  }

  #discardKept(code: 'abandoned'): void {
    for (const audit of this.#audits) {
      for (const lease of audit.finished) this.#effects.push({ kind: 'discard', lease, code })
    }
    this.#audits = []
  }

  #grant(): void {
    if (this.#task === undefined) return
    const shares = this.#task.stragglerPolicy.shares(this.#task.taskShards.countOf(this.#isOpen))
    for (const worker of this.#workers.idle(this.#task.kind)) {
      const share = shares.get(worker)!
      if (!this.#grantAudit(worker) && !this.#grantOpen(worker, share)) this.#grantRescue(worker, share)
    }
  }

  readonly #isOpen = (shard: number): boolean => this.#leasesOf(shard) === 0 && !this.#isAudited(shard)

  #grantAudit(worker: WorkerRecord): boolean {
    const audit = this.#audits.find((candidate) => this.#couldAudit(worker, candidate))
    if (audit === undefined) return false
    this.#lease(worker, { first: audit.first, count: audit.count }, audit)
    return true
  }

  #grantOpen(worker: WorkerRecord, share: number): boolean {
    const block = this.#task!.taskShards.block(share, this.#takeable(worker, this.#isOpen))
    if (block === undefined) return false
    if (!this.#task!.stragglerPolicy.isWorth(worker, block)) {
      worker.passedOver = true
      return false
    }
    this.#lease(worker, block, this.#beginAudit(block.first, block.count, worker))
    return true
  }

  /** What somebody else is late with, computed a second time. */
  #grantRescue(worker: WorkerRecord, share: number): boolean {
    const late = [...this.#leases.values()].filter(
      (lease) =>
        lease.worker !== worker.id &&
        !lease.audit &&
        this.#task!.stragglerPolicy.overdueMs(lease) <= this.#workers.nowMs,
    )
    if (late.length === 0) return false
    const isLate = (shard: number): boolean =>
      late.some((lease) => holds(lease, shard)) && this.#leasesOf(shard) < this.#limits.leasesPerShard
    const block = this.#task!.taskShards.block(share, this.#takeable(worker, isLate))
    if (block === undefined) return false
    const from = late.find((lease) => holds(lease, block.first))!
    this.#effects.push({ kind: 'rescue', worker: worker.id, late: from.worker, shards: block.count })
    this.#lease(worker, block, undefined)
    return true
  }

  #takeable(worker: WorkerRecord, matches: (shard: number) => boolean): (shard: number) => boolean {
    const eligible = this.#workers.eligible()
    return (shard) => matches(shard) && this.#task!.taskShards.mayTake(shard, worker, eligible)
  }

  #beginAudit(first: number, count: number, worker: WorkerRecord): Audit | undefined {
    if (this.#auditEvery === 0 || this.#nextLease % this.#auditEvery !== 0) return undefined
    if (!this.#workers.eligible().some(({ name }) => name !== worker.name)) return undefined
    const audit = new Audit(first, count)
    this.#audits.push(audit)
    return audit
  }

  #isAudited(shard: number): boolean {
    return this.#audits.some(({ first, count }) => shard >= first && shard < first + count)
  }

  #leasesOf(shard: number): number {
    let count = 0
    for (const lease of this.#leases.values()) if (holds(lease, shard)) count++
    return count
  }

  #lease(worker: WorkerRecord, { first, count }: Block, audit: Audit | undefined): void {
    const id = this.#nextLease++
    const lease: LiveLease = {
      ...{ id, task: this.#task!.id, worker: worker.id, firstShard: first, shardCount: count },
      ...{ grantedMs: this.#workers.nowMs, isMeasured: !worker.wasRevoked, progressReports: 0, audit },
    }
    audit?.start(id, worker.id, worker.name)
    worker.wasRevoked = false
    worker.passedOver = false
    worker.lease = lease
    worker.progressMs = this.#workers.nowMs
    this.#leases.set(id, lease)
    this.#workers.become(worker, 'busy')
    this.#effects.push({ kind: 'grant', lease: plain(lease) })
  }
}
