import type { Effect, Lease } from '../scheduler/scheduler-events.js'
import { ConvoyError } from '../shared/errors.js'

/**
 * Records the decisions of one scheduler, independently of its code. A lease is granted once, then it counts once, fails or is
 * revoked; of a task every shard counts once, and at its end nothing is left.
 */
export class LeaseLedger {
  readonly #nameOf: (worker: number) => string
  readonly #now: () => number
  /** Granted, and neither computed nor taken back yet; by id. */
  readonly #live = new Map<number, Lease>()
  /** Computed, and waiting for their audit. */
  readonly #kept = new Map<number, Lease>()
  readonly #counted = new Set<number>()
  readonly #quarantinedUntilMs = new Map<string, number>()
  readonly #draining = new Set<number>()
  #newest = 0

  constructor(nameOf: (worker: number) => string, now: () => number) {
    this.#nameOf = nameOf
    this.#now = now
  }

  /** @throws ConvoyError('internal') for what must never be */
  note(effect: Effect): void {
    switch (effect.kind) {
      case 'grant':
        return this.#grant(effect.lease)
      case 'revoke':
        return this.#take(this.#live, effect.lease.id, 'revoked')
      case 'reissue':
        return this.#take(this.#live, this.#heldBy(effect.worker)?.id, `reissued from worker ${effect.worker}`)
      case 'keep':
        this.#take(this.#live, effect.lease.id, 'kept')
        this.#kept.set(effect.lease.id, effect.lease)
        return
      case 'count':
        return this.#count(effect.lease)
      case 'discard':
        if (effect.code !== 'stale') return this.#take(this.#kept, effect.lease, 'discarded')
        return this.#check(
          !this.#live.has(effect.lease),
          `the result of lease ${effect.lease} is current, and was discarded`,
        )
      case 'goodbye':
        return this.#check(
          this.#draining.has(effect.worker),
          `worker ${effect.worker} was sent home, and wants to stay`,
        )
      case 'state':
        if (effect.state === 'draining') this.#draining.add(effect.worker)
        if (effect.state === 'quarantined')
          this.#check(this.#isQuarantined(effect.worker), `worker ${effect.worker} is in quarantine for nothing`)
        return
      case 'quarantine':
        this.#quarantinedUntilMs.set(effect.name, effect.untilMs)
        return
      case 'done':
        this.#check(this.#live.size + this.#kept.size === 0, 'a task is done, and leases are left')
        return this.#counted.clear()
      default:
        return
    }
  }

  #grant(lease: Lease): void {
    const { id, worker } = lease
    this.#check(id > this.#newest, `lease ${id} was granted before`)
    this.#newest = id
    this.#check(this.#heldBy(worker) === undefined, `worker ${worker} got a second lease`)
    this.#check(!this.#isQuarantined(worker), `worker ${worker} is in quarantine, and got a lease`)
    for (const shard of shardsOf(lease))
      this.#check(!this.#counted.has(shard), `shard ${shard} counts, and was granted`)
    this.#live.set(id, lease)
  }

  #count(lease: Lease): void {
    this.#take(this.#kept.has(lease.id) ? this.#kept : this.#live, lease.id, 'counted')
    for (const shard of shardsOf(lease)) {
      this.#check(!this.#counted.has(shard), `shard ${shard} counts twice`)
      this.#counted.add(shard)
    }
  }

  #take(from: Map<number, Lease>, id: number | undefined, how: string): void {
    this.#check(id !== undefined && from.delete(id), `lease ${id} was ${how}, and was not there`)
  }

  #isQuarantined(worker: number): boolean {
    return (this.#quarantinedUntilMs.get(this.#nameOf(worker)) ?? 0) > this.#now()
  }

  #heldBy(worker: number): Lease | undefined {
    return [...this.#live.values()].find((lease) => lease.worker === worker)
  }

  #check(holds: boolean, otherwise: string): void {
    if (!holds) throw new ConvoyError('internal', otherwise)
  }
}

function shardsOf({ firstShard, shardCount }: Lease): number[] {
  return Array.from({ length: shardCount }, (_, index) => firstShard + index)
}
