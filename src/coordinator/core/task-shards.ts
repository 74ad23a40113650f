interface ShardRecord {
  counted: boolean
  failures: number
  losses: number
  /** Names of workers that failed it, and of those that were lost over it. */
  readonly failedBy: Set<string>
  readonly lostBy: Set<string>
}

/** A node of the reduction tree. */
export interface Block {
  readonly first: number
  readonly count: number
}

interface Leased {
  readonly firstShard: number
  readonly shardCount: number
}

/** The shards of one task: which are counted, and what went wrong with the others so far. */
export class TaskShards {
  readonly #records: ShardRecord[]
  /** Who returned this bad result of this block, by block and hash. */
  readonly #bad = new Map<string, Set<string>>()
  #left: number

  constructor(shards: number) {
    this.#left = shards
    this.#records = Array.from({ length: shards }, () => ({
      counted: false,
      failures: 0,
      losses: 0,
      failedBy: new Set(),
      lostBy: new Set(),
    }))
  }

  get isDone(): boolean {
    return this.#left === 0
  }

  count(block: Leased): void {
    for (const record of this.#of(block)) record.counted = true
    this.#left -= block.shardCount
  }

  failed(block: Leased, name: string): void {
    for (const record of this.#of(block)) {
      record.failures++
      record.failedBy.add(name)
    }
  }

  /** The worker was lost over it. Another should try. */
  lost(block: Leased, name: string): void {
    for (const record of this.#of(block)) {
      record.losses++
      record.lostBy.add(name)
    }
  }

  /** @returns from how many workers this very result of this very block came */
  bad(block: Leased, name: string, hash: string): number {
    this.failed(block, name)
    const key = `${block.firstShard}+${block.shardCount}:${hash}`
    const names = (this.#bad.get(key) ?? new Set()).add(name)
    this.#bad.set(key, names)
    return names.size
  }

  /** The most failures and losses of any shard of the block, and the workers that failed it. */
  worst(block: Leased): { failures: number; losses: number; workers: number } {
    const records = this.#of(block)
    return {
      failures: Math.max(...records.map(({ failures }) => failures)),
      losses: Math.max(...records.map(({ losses }) => losses)),
      workers: Math.max(...records.map(({ failedBy }) => failedBy.size)),
    }
  }

  /** Those who did not fail this shard come first, and of them those that were not lost over it. */
  mayTake(shard: number, name: string, eligible: readonly string[]): boolean {
    const { failedBy, lostBy } = this.#records[shard]!
    if (failedBy.has(name)) return eligible.every((other) => failedBy.has(other))
    return !lostBy.has(name) || eligible.every((other) => failedBy.has(other) || lostBy.has(other))
  }

  mayTakeBlock({ first, count }: Block, name: string, eligible: readonly string[]): boolean {
    for (let shard = first; shard < first + count; shard++) if (!this.mayTake(shard, name, eligible)) return false
    return true
  }

  countOf(matches: (shard: number) => boolean): number {
    return this.#records.filter(({ counted }, shard) => !counted && matches(shard)).length
  }

  /**
   * The first of the largest blocks of at most `size` shards that all match and are not counted. A shard that failed is a
   * block by itself: the next failure then says which one it is.
   */
  block(size: number, matches: (shard: number) => boolean): Block | undefined {
    const total = this.#records.length
    let span = 1
    while (span * 2 <= size) span *= 2
    for (; span >= 1; span /= 2) {
      for (let first = 0; first < total; first += span) {
        const count = Math.min(span, total - first)
        const records = this.#records.slice(first, first + count)
        const fits = records.every(
          ({ counted, failures }, index) => !counted && matches(first + index) && (count === 1 || failures === 0),
        )
        if (fits) return { first, count }
      }
    }
    return undefined
  }

  #of({ firstShard, shardCount }: Leased): ShardRecord[] {
    return this.#records.slice(firstShard, firstShard + shardCount)
  }
}
