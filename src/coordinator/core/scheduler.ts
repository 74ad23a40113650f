import { ConvoyError } from '../../shared/errors.js'
import { Audit } from './audit.js'
import type { SchedulerLimits } from './limits.js'
import { Speed } from './speeds.js'
import type { WorkKind } from './speeds.js'
import { Standings } from './standings.js'
import type { Block } from './task-shards.js'
import { TaskShards } from './task-shards.js'
import type { WorkerState } from './worker-states.js'
import { checkTransition } from './worker-states.js'

/** Something to compute once for every shard: one step's gradient, or one split's evaluation. */
export interface Task {
  readonly id: number
  readonly kind: WorkKind
  readonly shards: number
}

/** The right of one worker to compute one block of a task's shards. Granted once; then it counts, fails or is revoked. */
export interface Lease {
  readonly id: number
  readonly task: number
  readonly worker: number
  readonly firstShard: number
  readonly shardCount: number
}

/** What happens. Nobody else says what time it is: every event comes with it. */
export type SchedulerEvent =
  | { readonly kind: 'joined'; readonly worker: number; readonly name: string }
  | { readonly kind: 'connected'; readonly worker: number }
  | { readonly kind: 'ready'; readonly worker: number }
  | { readonly kind: 'heartbeat'; readonly worker: number; readonly shardsDone: number }
  | { readonly kind: 'draining'; readonly worker: number }
  | { readonly kind: 'gone'; readonly worker: number; readonly reason: string }
  | { readonly kind: 'begin'; readonly task: Task }
  | { readonly kind: 'abandon' }
  /** `hash` is of the vector's bytes; needed where {@link Scheduler.needsHash} says so. */
  | { readonly kind: 'good-result'; readonly worker: number; readonly lease: number; readonly hash?: string }
  /** Not finite, absurd or of the wrong shape: always with its hash, for the same from two workers means something else. */
  | {
      readonly kind: 'bad-result'
      readonly worker: number
      readonly lease: number
      readonly reason: string
      readonly hash: string
    }
  /** The worker says that it could not compute it. */
  | { readonly kind: 'failed'; readonly worker: number; readonly lease: number; readonly reason: string }
  | { readonly kind: 'tick' }

/** What is to be done about it. */
export type Effect =
  | { readonly kind: 'grant'; readonly lease: Lease }
  | { readonly kind: 'revoke'; readonly lease: Lease }
  /** Add the result of this lease to the task's sum. */
  | { readonly kind: 'count'; readonly lease: Lease }
  /** Keep the result that just came: it waits for its audit. */
  | { readonly kind: 'keep'; readonly lease: Lease }
  /** Forget a result, kept or just come. */
  | { readonly kind: 'discard'; readonly lease: number; readonly reason: 'stale' | 'audited' | 'abandoned' }
  | { readonly kind: 'done'; readonly task: number }
  /** Close its connection; it was taken for dead, hung or stuck. */
  | { readonly kind: 'drop'; readonly worker: number; readonly reason: string }
  /** A draining worker owes nothing any more. */
  | { readonly kind: 'goodbye'; readonly worker: number }
  | { readonly kind: 'state'; readonly worker: number; readonly state: WorkerState }
  | { readonly kind: 'reissue'; readonly worker: number; readonly shards: number; readonly reason: string }
  /** Another worker computes what this one is late with. */
  | { readonly kind: 'rescue'; readonly worker: number; readonly late: number; readonly shards: number }
  /** `untilMs` is Infinity for the rest of the run. */
  | { readonly kind: 'quarantine'; readonly name: string; readonly untilMs: number; readonly reason: string }
  | { readonly kind: 'audit'; readonly outcome: 'agreed' | 'mismatch' | 'unverified' | 'disputed' }
  | {
      readonly kind: 'give-up'
      readonly task: number
      readonly firstShard: number
      readonly shardCount: number
      /** same-result: two workers computed the same bad result, so it is the data or the model. */
      readonly cause: 'same-result' | 'failures' | 'losses'
      readonly reason: string
    }

/** The kind of work that workers are compared by. */
const SCORED = 'WORK_GRADIENT'

interface LiveLease extends Lease {
  grantedMs: number
  /** False when the worker was still at something else that was revoked: the time would not be its own. */
  readonly isMeasured: boolean
  readonly audit: Audit | undefined
}

interface WorkerRecord {
  readonly id: number
  readonly name: string
  readonly speed: Speed
  state: WorkerState
  lease: LiveLease | undefined
  wasRevoked: boolean
  sinceMs: number
  heardMs: number
  progressMs: number
  shardsDone: number
  passedOver: boolean
}

/** A worker as the scheduler sees it. */
export interface WorkerView {
  readonly id: number
  readonly name: string
  readonly state: WorkerState
  readonly lease: Lease | undefined
  readonly silentMs: number
  /** Milliseconds per training shard; undefined until measured. */
  readonly shardMs: number | undefined
  /** How many times slower than the fastest worker, and than itself at its best. 1 is best. */
  readonly score: { readonly toFastest: number; readonly toOwnBest: number } | undefined
}

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
  readonly #workers = new Map<number, WorkerRecord>()
  readonly #leases = new Map<number, LiveLease>()
  readonly #standings: Standings
  #shards: TaskShards | undefined
  #task: Task | undefined
  #audits: Audit[] = []
  #disputeSaid = false
  #nextLease = 1
  #nowMs = 0
  #effects: Effect[] = []

  constructor(limits: SchedulerLimits, auditEvery = 0) {
    this.#limits = limits
    this.#auditEvery = auditEvery
    this.#standings = new Standings(limits)
  }

  /** @throws ConvoyError('internal') for an event that cannot be, such as a second task at a time */
  handle(nowMs: number, event: SchedulerEvent): Effect[] {
    // Time that stood still while this process was stopped or busy is nobody's silence.
    const late = Math.max(0, nowMs - this.#nowMs - this.#limits.heartbeatMs)
    if (this.#nowMs > 0 && late > 0) this.#forgiveSilence(late)
    this.#nowMs = nowMs
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
    let count = 0
    for (const { state } of this.#workers.values()) if (states.includes(state)) count++
    return count
  }

  needsHash(lease: number): boolean {
    return this.#leases.get(lease)?.audit !== undefined
  }

  get leases(): readonly Lease[] {
    return [...this.#leases.values()]
  }

  workers(): WorkerView[] {
    const records = [...this.#workers.values()]
    const kind = SCORED
    const fastest = Math.min(...records.map(({ speed }) => speed.shardMs(kind) ?? Infinity))
    return records.map(({ id, name, state, lease, heardMs, speed }) => {
      const shardMs = speed.shardMs(kind)
      const score = shardMs && { toFastest: shardMs / fastest, toOwnBest: shardMs / speed.bestMs(kind)! }
      return { id, name, state, lease, silentMs: this.#nowMs - heardMs, shardMs, score: score || undefined }
    })
  }

  /** When to send the next `tick` if nothing else happens before: somebody idle may then help out. Infinity: no need. */
  get wakeMs(): number {
    if (this.#task === undefined || this.#idle().length === 0) return Infinity
    const overdueMs = [...this.#leases.values()].map((lease) => this.#overdueMs(lease))
    return Math.min(...overdueMs.filter((ms) => ms > this.#nowMs))
  }

  #apply(event: SchedulerEvent): void {
    switch (event.kind) {
      case 'joined':
        return this.#joined(event.worker, event.name)
      case 'connected':
        return this.#connected(this.#heard(event.worker))
      case 'ready':
        return this.#ready(this.#heard(event.worker))
      case 'heartbeat':
        return this.#heartbeat(this.#heard(event.worker), event.shardsDone)
      case 'draining':
        return this.#draining(this.#heard(event.worker))
      case 'gone':
        return this.#gone(event.worker, event.reason)
      case 'begin':
        return this.#begin(event.task)
      case 'abandon':
        return this.#abandon()
      case 'good-result':
        return this.#goodResult(this.#heard(event.worker), event.lease, event.hash)
      case 'bad-result':
        return this.#badResult(this.#heard(event.worker), event.lease, event.reason, event.hash)
      case 'failed':
        return this.#failed(this.#heard(event.worker), event.lease, event.reason)
      case 'tick':
        return this.#tick()
    }
  }

  // ── Workers ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #joined(id: number, name: string): void {
    const nowMs = this.#nowMs
    this.#workers.set(id, {
      ...{ id, name, speed: new Speed(), state: 'joining', lease: undefined, wasRevoked: false },
      ...{ sinceMs: nowMs, heardMs: nowMs, progressMs: nowMs, shardsDone: 0, passedOver: false },
    })
    this.#effects.push({ kind: 'state', worker: id, state: 'joining' })
  }

  #connected(worker: WorkerRecord): void {
    if (worker.state === 'joining') this.#become(worker, 'syncing')
    else if (worker.state === 'draining') this.#effects.push({ kind: 'goodbye', worker: worker.id })
    else throw new ConvoyError('protocol', `Worker ${worker.id} has connected before.`)
  }

  /** A worker that spoke. One that was suspect is so no more. */
  #heard(id: number): WorkerRecord {
    const worker = this.#workers.get(id)
    if (worker === undefined) throw new ConvoyError('protocol', `There is no worker ${id} (any more).`)
    worker.heardMs = this.#nowMs
    if (worker.state === 'suspect') this.#become(worker, worker.lease ? 'busy' : 'ready')
    return worker
  }

  #become(worker: WorkerRecord, state: WorkerState): void {
    checkTransition(worker.id, worker.state, state)
    worker.state = state
    worker.sinceMs = this.#nowMs
    this.#effects.push({ kind: 'state', worker: worker.id, state })
  }

  #ready(worker: WorkerRecord): void {
    if (worker.state === 'draining') return
    if (worker.state !== 'syncing') throw new ConvoyError('protocol', `Worker ${worker.id} was ready before.`)
    this.#become(worker, 'ready')
    if (this.#standings.quarantinedUntilMs(worker.name) > this.#nowMs) this.#become(worker, 'quarantined')
  }

  #heartbeat(worker: WorkerRecord, shardsDone: number): void {
    if (shardsDone > worker.shardsDone) worker.progressMs = this.#nowMs
    worker.shardsDone = shardsDone
  }

  #draining(worker: WorkerRecord): void {
    if (worker.state === 'draining') return
    if (worker.state === 'joining') this.#become(worker, 'syncing')
    this.#become(worker, 'draining')
    if (worker.lease === undefined) this.#effects.push({ kind: 'goodbye', worker: worker.id })
  }

  #gone(id: number, reason: string): void {
    const worker = this.#workers.get(id)
    if (worker === undefined) return
    const { lease } = worker
    if (lease !== undefined) {
      this.#end(lease)
      this.#strike(worker, reason)
      this.#shards!.lost(lease, worker.name)
      this.#reissue(lease, reason)
    }
    this.#workers.delete(id)
  }

  #strike(worker: WorkerRecord, reason: string): void {
    const untilMs = this.#standings.failed(worker.name, this.#nowMs)
    if (untilMs !== undefined) this.#quarantine(worker.name, untilMs, reason)
  }

  #quarantine(name: string, untilMs: number, reason: string): void {
    this.#effects.push({ kind: 'quarantine', name, untilMs, reason })
    for (const worker of this.#workers.values()) {
      if (worker.name !== name) continue
      if (worker.lease) this.#revoke(worker.lease)
      if (['ready', 'busy', 'suspect'].includes(worker.state)) this.#become(worker, 'quarantined')
    }
  }

  #forgiveSilence(lateMs: number): void {
    for (const worker of this.#workers.values()) {
      worker.heardMs += lateMs
      worker.progressMs += lateMs
      worker.sinceMs += lateMs
    }
    for (const lease of this.#leases.values()) lease.grantedMs += lateMs
  }

  #tick(): void {
    const { heartbeatMs, suspectHeartbeats, deadHeartbeats, connectMs, syncMs, progressMs } = this.#limits
    for (const worker of this.#workers.values()) {
      const silentMs = this.#nowMs - worker.heardMs
      const inStateMs = this.#nowMs - worker.sinceMs
      const drop = (reason: string): void => void this.#effects.push({ kind: 'drop', worker: worker.id, reason })
      if (worker.state === 'joining') {
        if (inStateMs > connectMs) drop('never opened its control stream')
      } else if (silentMs > deadHeartbeats * heartbeatMs) {
        drop(`silent for ${(silentMs / 1000).toFixed(1)} s`)
      } else if (worker.state === 'syncing' && inStateMs > syncMs) {
        drop(`not ready after ${(syncMs / 1000).toFixed(0)} s`)
      } else if (worker.state === 'draining' && worker.lease === undefined && inStateMs > progressMs) {
        drop('did not go when it could')
      } else if (worker.lease && this.#nowMs - worker.progressMs > progressMs) {
        drop(`finished no shard for ${(progressMs / 1000).toFixed(0)} s`)
      } else if (silentMs > suspectHeartbeats * heartbeatMs && ['ready', 'busy'].includes(worker.state)) {
        this.#become(worker, 'suspect')
      } else if (
        worker.state === 'quarantined' &&
        this.#standings.quarantinedUntilMs(worker.name) <= this.#nowMs &&
        silentMs <= suspectHeartbeats * heartbeatMs
      ) {
        this.#become(worker, 'ready')
      }
    }
  }

  // ── Tasks and results ────────────────────────────────────────────────────────────────────────────────────────────

  #begin(task: Task): void {
    if (this.#task !== undefined)
      throw new ConvoyError('internal', `task ${task.id} began before task ${this.#task.id} was done`)
    this.#task = task
    this.#shards = new TaskShards(task.shards)
    for (const worker of this.#workers.values()) worker.passedOver = false
  }

  #abandon(): void {
    for (const lease of this.#leases.values()) this.#revoke(lease)
    this.#discardKept('abandoned')
    this.#task = undefined
    this.#shards = undefined
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
      worker.speed.measure(this.#task!.kind, (this.#nowMs - lease.grantedMs) / lease.shardCount)
    }
    if (lease.audit === undefined) return this.#count(lease, worker.name)
    this.#effects.push({ kind: 'keep', lease: plain(lease) })
  }

  #badResult(worker: WorkerRecord, id: number, reason: string, hash: string): void {
    const lease = this.#current(worker, id)
    if (lease === undefined) return
    this.#end(lease)
    this.#setIdle(worker)
    this.#strike(worker, reason)
    const agreeing = this.#shards!.bad(lease, worker.name, hash)
    if (agreeing >= 2) return this.#giveUp(lease, 'same-result', reason)
    this.#reissue(lease, reason)
  }

  #failed(worker: WorkerRecord, id: number, reason: string): void {
    const lease = this.#current(worker, id)
    if (lease === undefined) return
    this.#end(lease)
    this.#setIdle(worker)
    this.#strike(worker, reason)
    this.#shards!.failed(lease, worker.name)
    this.#reissue(lease, reason)
  }

  /** The live lease that a worker speaks of; a result for another is discarded. */
  #current(worker: WorkerRecord, id: number): LiveLease | undefined {
    const lease = this.#leases.get(id)
    if (lease?.worker === worker.id) return lease
    this.#effects.push({ kind: 'discard', lease: id, reason: 'stale' })
    return undefined
  }

  /** This result is the one that counts for its block. What overlaps it is not needed any more. */
  #count(lease: Lease, name: string): void {
    this.#standings.succeeded(name)
    this.#shards!.count(lease)
    this.#effects.push({ kind: 'count', lease: plain(lease) })
    for (const other of this.#leases.values()) if (overlap(lease, other)) this.#overtaken(other)
    if (!this.#shards!.isDone) return
    this.#forgiveThePassedOver()
    const task = this.#task!
    this.#abandon()
    this.#effects.push({ kind: 'done', task: task.id })
  }

  #overtaken(lease: LiveLease): void {
    if (lease.isMeasured && !lease.audit) {
      const elapsedMs = this.#nowMs - lease.grantedMs
      this.#workers.get(lease.worker)!.speed.overtaken(this.#task!.kind, elapsedMs / lease.shardCount)
    }
    this.#revoke(lease)
  }

  /** The shards are open again, unless this was once too often. */
  #reissue(lease: Lease, reason: string): void {
    this.#effects.push({ kind: 'reissue', worker: lease.worker, shards: lease.shardCount, reason })
    const { failures, losses, workers } = this.#shards!.worst(lease)
    const { workersPerShard, failuresPerShard, lossesPerShard } = this.#limits
    if (workers >= workersPerShard || failures >= failuresPerShard) this.#giveUp(lease, 'failures', reason)
    else if (losses >= lossesPerShard) this.#giveUp(lease, 'losses', reason)
  }

  #giveUp(lease: Lease, cause: 'same-result' | 'failures' | 'losses', reason: string): void {
    const { firstShard, shardCount } = lease
    this.#effects.push({ kind: 'give-up', task: lease.task, firstShard, shardCount, cause, reason })
    this.#abandon()
  }

  #revoke(lease: LiveLease): void {
    this.#end(lease)
    this.#effects.push({ kind: 'revoke', lease: plain(lease) })
    const worker = this.#workers.get(lease.worker)
    if (worker === undefined) return
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
    if (worker.state === 'busy') this.#become(worker, 'ready')
    else if (worker.state === 'draining') this.#effects.push({ kind: 'goodbye', worker: worker.id })
  }

  // ── Audits ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #settleAudits(): void {
    for (const audit of this.#audits) {
      const verdict = audit.verdict()
      if (verdict.kind === 'agreed') {
        for (const name of verdict.wrong) {
          this.#standings.banish(name)
          this.#quarantine(name, Infinity, 'computed another result than two others, or than itself before')
        }
        this.#conclude(audit, verdict.lease, verdict.wrong.length > 0 ? 'mismatch' : 'agreed')
      } else if (audit.finished.length === 1 && audit.running === 0 && !this.#couldHelp(audit)) {
        this.#conclude(audit, audit.finished[0]!, 'unverified')
      } else if (audit.isDisputed && audit.running === 0 && !this.#couldHelp(audit) && !this.#disputeSaid) {
        this.#disputeSaid = true
        this.#effects.push({ kind: 'audit', outcome: 'disputed' })
      }
      if (this.#task === undefined) return
    }
  }

  #conclude(audit: Audit, leaseId: number, outcome: 'agreed' | 'mismatch' | 'unverified'): void {
    this.#audits = this.#audits.filter((other) => other !== audit)
    this.#disputeSaid = false
    this.#effects.push({ kind: 'audit', outcome })
    const task = this.#task!.id
    const name = audit.nameOf(leaseId)
    this.#count({ id: leaseId, task, worker: 0, firstShard: audit.first, shardCount: audit.count }, name)
    for (const lease of audit.finished) {
      if (lease !== leaseId) this.#effects.push({ kind: 'discard', lease, reason: 'audited' })
    }
  }

  #couldHelp(audit: Audit): boolean {
    return this.#eligible().some((worker) => this.#couldAudit(worker, audit))
  }

  #couldAudit({ name }: WorkerRecord, audit: Audit): boolean {
    const eligible = this.#eligible().map((worker) => worker.name)
    return audit.wants(name, eligible) && this.#shards!.mayTakeBlock(audit, name, eligible)
  }

  #discardKept(reason: 'abandoned'): void {
    for (const audit of this.#audits) {
      for (const lease of audit.finished) this.#effects.push({ kind: 'discard', lease, reason })
    }
    this.#audits = []
  }

  // ── Who gets what ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Workers that compute, or could. */
  #eligible(): WorkerRecord[] {
    return [...this.#workers.values()].filter(({ state }) => state === 'ready' || state === 'busy')
  }

  /** The fastest first; among equals, who joined first. Those that were not measured are taken to be fast. */
  #idle(): WorkerRecord[] {
    const shardMs = ({ speed }: WorkerRecord): number => (this.#task && speed.shardMs(this.#task.kind)) ?? 0
    return [...this.#workers.values()]
      .filter(({ state }) => state === 'ready')
      .sort((a, b) => shardMs(a) - shardMs(b) || a.id - b.id)
  }

  #grant(): void {
    if (this.#task === undefined) return
    const shares = this.#shares()
    for (const worker of this.#idle()) {
      const share = shares.get(worker)!
      if (!this.#grantAudit(worker) && !this.#grantOpen(worker, share)) this.#grantRescue(worker, share)
    }
  }

  /** Each idle worker's part of the open shards, by speed: busy workers will want theirs too. */
  #shares(): Map<WorkerRecord, number> {
    const kind = this.#task!.kind
    const known = this.#eligible().flatMap(({ speed }) => speed.shardMs(kind) ?? [])
    // Who was not measured is taken to be as fast as the fastest.
    const fastestMs = known.length > 0 ? Math.min(...known) : 1
    const rate = ({ speed }: WorkerRecord): number => 1 / (speed.shardMs(kind) ?? fastestMs)
    const allRates = this.#eligible().reduce((sum, worker) => sum + rate(worker), 0)
    const open = this.#shards!.countOf(this.#isOpen)
    return new Map(
      this.#idle().map((worker) => {
        const atMost =
          this.#limits.longestLeaseMs * (worker.speed.shardMs(kind) === undefined ? Infinity : rate(worker))
        return [worker, Math.max(1, Math.min((open * rate(worker)) / allRates, atMost))]
      }),
    )
  }

  readonly #isOpen = (shard: number): boolean => this.#leasesOf(shard) === 0 && !this.#isAudited(shard)

  #grantAudit(worker: WorkerRecord): boolean {
    const audit = this.#audits.find((candidate) => this.#couldAudit(worker, candidate))
    if (audit === undefined) return false
    this.#lease(worker, { first: audit.first, count: audit.count }, audit)
    return true
  }

  #grantOpen(worker: WorkerRecord, share: number): boolean {
    const block = this.#shards!.block(share, this.#takeable(worker, this.#isOpen))
    if (block === undefined) return false
    if (!this.#isWorth(worker, block)) {
      worker.passedOver = true
      return false
    }
    this.#lease(worker, block, this.#beginAudit(block.first, block.count, worker))
    return true
  }

  /** What somebody else is late with, computed a second time. */
  #grantRescue(worker: WorkerRecord, share: number): boolean {
    const late = [...this.#leases.values()].filter(
      (lease) => lease.worker !== worker.id && !lease.audit && this.#overdueMs(lease) <= this.#nowMs,
    )
    if (late.length === 0) return false
    const isLate = (shard: number): boolean =>
      late.some((lease) => holds(lease, shard)) && this.#leasesOf(shard) < this.#limits.leasesPerShard
    const block = this.#shards!.block(share, this.#takeable(worker, isLate))
    if (block === undefined) return false
    const from = late.find((lease) => holds(lease, block.first))!
    this.#effects.push({ kind: 'rescue', worker: worker.id, late: from.worker, shards: block.count })
    this.#lease(worker, block, undefined)
    return true
  }

  #takeable(worker: WorkerRecord, matches: (shard: number) => boolean): (shard: number) => boolean {
    const eligible = this.#eligible().map(({ name }) => name)
    return (shard) => matches(shard) && this.#shards!.mayTake(shard, worker.name, eligible)
  }

  /** False when some busy worker, once it is done, would still be sooner. */
  #isWorth(worker: WorkerRecord, block: Block): boolean {
    const { count } = block
    const kind = this.#task!.kind
    const ownMs = worker.speed.shardMs(kind)
    if (ownMs === undefined) return true
    const eligible = this.#eligible().map(({ name }) => name)
    for (const lease of this.#leases.values()) {
      const other = this.#workers.get(lease.worker)!
      const otherMs = other.speed.shardMs(kind)
      if (other.state !== 'busy' || otherMs === undefined || this.#overdueMs(lease) <= this.#nowMs) continue
      // It must be one that would be given the block, or both would wait for each other.
      if (!this.#shards!.mayTakeBlock(block, other.name, eligible)) continue
      const freeInMs = Math.max(0, lease.grantedMs + lease.shardCount * otherMs - this.#nowMs)
      if (count * ownMs > this.#limits.worthFactor * (freeInMs + count * otherMs)) return false
    }
    return true
  }

  #forgiveThePassedOver(): void {
    const { kind } = this.#task!
    const fastestMs = Math.min(...this.#eligible().map(({ speed }) => speed.shardMs(kind) ?? Infinity))
    for (const { speed, passedOver } of this.#workers.values()) if (passedOver) speed.forgive(kind, fastestMs)
  }

  /** From when on others may compute this lease too. Infinity: nobody knows yet how long it should take. */
  #overdueMs(lease: LiveLease): number {
    const worker = this.#workers.get(lease.worker)!
    if (worker.state === 'suspect') return this.#nowMs
    const { overdueFactor, overdueSlackMs } = this.#limits
    const kind = this.#task!.kind
    const known = [...this.#workers.values()].flatMap(({ speed }) => speed.shardMs(kind) ?? [])
    const shardMs = worker.speed.shardMs(kind) ?? (known.length > 0 ? Math.max(...known) : Infinity)
    return lease.grantedMs + overdueFactor * lease.shardCount * shardMs + overdueSlackMs
  }

  #beginAudit(first: number, count: number, worker: WorkerRecord): Audit | undefined {
    if (this.#auditEvery === 0 || this.#nextLease % this.#auditEvery !== 0) return undefined
    if (!this.#eligible().some(({ name }) => name !== worker.name)) return undefined
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
      ...{ grantedMs: this.#nowMs, isMeasured: !worker.wasRevoked, audit },
    }
    audit?.start(id, worker.name)
    worker.wasRevoked = false
    worker.passedOver = false
    worker.lease = lease
    worker.progressMs = this.#nowMs
    this.#leases.set(id, lease)
    this.#become(worker, 'busy')
    this.#effects.push({ kind: 'grant', lease: plain(lease) })
  }
}

function holds(lease: Lease, shard: number): boolean {
  return shard >= lease.firstShard && shard < lease.firstShard + lease.shardCount
}

function overlap(one: Lease, other: Lease): boolean {
  return holds(one, other.firstShard) || holds(other, one.firstShard)
}

function plain({ id, task, worker, firstShard, shardCount }: Lease): Lease {
  return { id, task, worker, firstShard, shardCount }
}
