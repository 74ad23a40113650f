import { ConvoyError } from '../../shared/errors.js'

/** Something to compute once for every shard: one step's gradient, or one split's evaluation. */
export interface Task {
  readonly id: number
  readonly shards: number
}

/** The right of one worker to compute one block of a task's shards. Granted once, then completed, failed or revoked. */
export interface Lease {
  readonly id: number
  readonly task: number
  readonly worker: number
  readonly firstShard: number
  readonly shardCount: number
}

/** What the scheduler decides. The caller carries it out; nothing here touches a clock, a socket or a number of the model. */
export type Effect =
  | { readonly kind: 'grant'; readonly lease: Lease }
  | { readonly kind: 'revoke'; readonly lease: Lease }
  | { readonly kind: 'reissue'; readonly worker: number; readonly shards: number; readonly reason: string }
  | { readonly kind: 'give-up'; readonly task: number; readonly firstShard: number; readonly reason: string }

/** A shard that failed this often, on whichever workers, will not succeed: the fault is in the data or the model. */
const FAILURES_PER_SHARD = 3

interface Block {
  readonly first: number
  readonly count: number
}

/**
 * Hands out the shards of one task at a time to whoever is idle.
 *
 *     open ──grant──> leased ──complete──> done
 *      ^                 │
 *      └── failed, ──────┘
 *          worker gone
 *
 * Blocks are nodes of the reduction tree: the largest that is no more than an idle worker's equal share of what is open.
 * Which worker gets which block never shows in the result.
 */
export class LeaseScheduler {
  readonly #idle = new Set<number>()
  readonly #workers = new Set<number>()
  readonly #leases = new Map<number, Lease>()
  readonly #failures = new Map<number, number>()
  #open: Block[] = []
  #task: Task | undefined
  #shardsLeft = 0
  #nextLease = 1

  get openShards(): number {
    return this.#open.reduce((sum, block) => sum + block.count, 0)
  }

  /** A worker's current lease, if it has one. */
  leaseOf(worker: number): Lease | undefined {
    for (const lease of this.#leases.values()) if (lease.worker === worker) return lease
    return undefined
  }

  /** @throws ConvoyError('internal') while another task is not done */
  begin(task: Task): Effect[] {
    if (this.#shardsLeft > 0)
      throw new ConvoyError('internal', `task ${task.id} began before task ${this.#task?.id} was done`)
    this.#task = task
    this.#shardsLeft = task.shards
    this.#open = [{ first: 0, count: task.shards }]
    this.#failures.clear()
    return this.#grant()
  }

  /** Drops the current task, if any: its leases are revoked, their results refused. */
  abandon(): Effect[] {
    const effects = [...this.#leases.values()].map((lease): Effect => ({ kind: 'revoke', lease }))
    for (const lease of this.#leases.values()) this.#idle.add(lease.worker)
    this.#leases.clear()
    this.#open = []
    this.#shardsLeft = 0
    return effects
  }

  workerReady(worker: number): Effect[] {
    this.#workers.add(worker)
    this.#idle.add(worker)
    return this.#grant()
  }

  /** The worker left, died or was dropped. What it held is open again. */
  workerGone(worker: number, reason: string): Effect[] {
    this.#workers.delete(worker)
    this.#idle.delete(worker)
    const lease = this.leaseOf(worker)
    if (lease === undefined) return []
    this.#reopen(lease)
    return [{ kind: 'reissue', worker, shards: lease.shardCount, reason }, ...this.#grant()]
  }

  /** No more leases for this worker; the one that it holds stays valid. */
  workerLeaving(worker: number): void {
    this.#workers.delete(worker)
    this.#idle.delete(worker)
  }

  /** The lease that a result may be counted for; undefined when it is stale or another worker's. */
  current(leaseId: number, worker: number): Lease | undefined {
    const lease = this.#leases.get(leaseId)
    return lease?.worker === worker ? lease : undefined
  }

  /** The result of a {@link current} lease was counted. */
  complete(leaseId: number): { done: boolean; effects: Effect[] } {
    const lease = this.#take(leaseId)
    this.#shardsLeft -= lease.shardCount
    if (this.#workers.has(lease.worker)) this.#idle.add(lease.worker)
    return { done: this.#shardsLeft === 0, effects: this.#grant() }
  }

  /** The worker could not compute a {@link current} lease, or its result was refused. */
  failed(leaseId: number, reason: string): Effect[] {
    const lease = this.#take(leaseId)
    const failures = (this.#failures.get(lease.firstShard) ?? 0) + 1
    this.#failures.set(lease.firstShard, failures)
    this.#reopen(lease)
    if (failures >= FAILURES_PER_SHARD) {
      return [{ kind: 'give-up', task: lease.task, firstShard: lease.firstShard, reason }, ...this.abandon()]
    }
    const reissue: Effect = { kind: 'reissue', worker: lease.worker, shards: lease.shardCount, reason }
    // Others first: the worker that failed goes to the back of the queue.
    if (this.#workers.has(lease.worker)) this.#idle.add(lease.worker)
    return [reissue, ...this.#grant()]
  }

  #take(leaseId: number): Lease {
    const lease = this.#leases.get(leaseId)
    if (lease === undefined) throw new ConvoyError('internal', `lease ${leaseId} is not held by anyone`)
    this.#leases.delete(leaseId)
    return lease
  }

  #reopen(lease: Lease): void {
    this.#leases.delete(lease.id)
    this.#open.unshift({ first: lease.firstShard, count: lease.shardCount })
  }

  #grant(): Effect[] {
    const effects: Effect[] = []
    for (const worker of this.#idle) {
      const block = this.#nextBlock()
      if (block === undefined) break
      this.#idle.delete(worker)
      const lease: Lease = {
        id: this.#nextLease++,
        task: this.#task!.id,
        worker,
        firstShard: block.first,
        shardCount: block.count,
      }
      this.#leases.set(lease.id, lease)
      effects.push({ kind: 'grant', lease })
    }
    return effects
  }

  /** Takes the first open block, halved along the tree until it is no larger than an idle worker's share of what is open. */
  #nextBlock(): Block | undefined {
    const share = Math.max(1, Math.floor(this.openShards / this.#idle.size))
    let block = this.#open.shift()
    while (block !== undefined && block.count > share) {
      const half = halfOf(block.count)
      this.#open.unshift({ first: block.first + half, count: block.count - half })
      block = { first: block.first, count: half }
    }
    return block
  }
}

/** The left half of a tree node of `count` shards: the largest power of two below `count`. */
function halfOf(count: number): number {
  let half = 1
  while (half * 2 < count) half *= 2
  return half
}
