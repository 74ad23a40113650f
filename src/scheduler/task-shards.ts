/** A worker that may compute a shard. */
export interface Candidate {
  readonly name: string
  /** Host and device: workers that share them may share a fault. */
  readonly machine: string
}

interface ShardRecord {
  counted: boolean
  failures: number
  losses: number
  /** Machines of the workers that failed it, by name. */
  readonly failedBy: Map<string, string>
  /** Names of workers that were lost over it. */
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
  /** Names of the workers that returned a bad result, by block and hash. */
  readonly #bad = new Map<string, Set<string>>()
  #left: number

  constructor(shards: number) {
    this.#left = shards
    this.#records = Array.from({ length: shards }, () => ({
      counted: false,
      failures: 0,
      losses: 0,
      failedBy: new Map(),
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

  failed(block: Leased, { name, machine }: Candidate): void {
    for (const record of this.#of(block)) {
      record.failures++
      record.failedBy.set(name, machine)
    }
  }

  /** The worker was lost over it. Another should try. */
  lost(block: Leased, name: string): void {
    for (const record of this.#of(block)) {
      record.losses++
      record.lostBy.add(name)
    }
  }

  /** @returns the number of workers that returned this result for this block */
  bad(block: Leased, worker: Candidate, hash: string): number {
    this.failed(block, worker)
    const key = `${block.firstShard}+${block.shardCount}:${hash}`
    const names = (this.#bad.get(key) ?? new Set()).add(worker.name)
    this.#bad.set(key, names)
    return names.size
  }

  /** The most failures and losses of any shard of the block, and the names of the workers that failed it. */
  worst(block: Leased): { failures: number; losses: number; failedBy: readonly string[] } {
    const records = this.#of(block)
    return {
      failures: Math.max(...records.map(({ failures }) => failures)),
      losses: Math.max(...records.map(({ losses }) => losses)),
      failedBy: records.map(({ failedBy }) => [...failedBy.keys()]).reduce((a, b) => (b.length > a.length ? b : a)),
    }
  }

  /**
   * A worker that failed this shard gets it again only when no other is left. Once two failed it, a worker of another machine goes first:
   * the two may be broken by the same thing. Of the others, those come first that were not lost over it.
   */
  mayTake(shard: number, { name, machine }: Candidate, eligible: readonly Candidate[]): boolean {
    const { failedBy, lostBy } = this.#records[shard]!
    if (failedBy.has(name)) return eligible.every((other) => failedBy.has(other.name))
    if (failedBy.size >= 2 && hasIndependent(failedBy, eligible) && !isIndependent(failedBy, { name, machine }))
      return false
    return !lostBy.has(name) || eligible.every((other) => failedBy.has(other.name) || lostBy.has(other.name))
  }

  mayTakeBlock({ first, count }: Block, worker: Candidate, eligible: readonly Candidate[]): boolean {
    for (let shard = first; shard < first + count; shard++) if (!this.mayTake(shard, worker, eligible)) return false
    return true
  }

  /**
   * Whether no worker is left whose result could show whether a worker or the data is broken: all failed the block, or `enough` did and
   * every other worker shares a machine with one of them.
   */
  isExhausted(block: Leased, eligible: readonly Candidate[], enough: number): boolean {
    return this.#of(block).some(
      ({ failedBy }) =>
        !hasIndependent(failedBy, eligible) &&
        (failedBy.size >= enough || eligible.every(({ name }) => failedBy.has(name))),
    )
  }

  /** Whether a shard that is not counted matches. */
  has(matches: (shard: number) => boolean): boolean {
    return this.#records.some(({ counted }, shard) => !counted && matches(shard))
  }

  countOf(matches: (shard: number) => boolean): number {
    return this.#records.filter(({ counted }, shard) => !counted && matches(shard)).length
  }

  /**
   * The first of the largest blocks of at most `size` shards that all match and are not counted. A shard that failed is a
   * block by itself: the next failure then shows which one it is.
   */
  block(size: number, matches: (shard: number) => boolean): Block | undefined {
    const total = this.#records.length
    let span = 1
    while (span * 2 <= Math.min(size, total)) span *= 2
    for (; span >= 1; span /= 2) {
      for (let first = 0; first < total; first += span) {
        const block = { first, count: Math.min(span, total - first) }
        if (this.#fits(block, matches)) return block
      }
    }
    return undefined
  }

  #fits({ first, count }: Block, matches: (shard: number) => boolean): boolean {
    for (let index = 0; index < count; index++) {
      const { counted, failures } = this.#records[first + index]!
      const isFit = !counted && matches(first + index) && (count === 1 || failures === 0)
      if (!isFit) return false
    }
    return true
  }

  #of({ firstShard, shardCount }: Leased): ShardRecord[] {
    return this.#records.slice(firstShard, firstShard + shardCount)
  }
}

/** Whether it neither failed nor shares host and device with a worker that did. */
function isIndependent(failedBy: ReadonlyMap<string, string>, { name, machine }: Candidate): boolean {
  return !failedBy.has(name) && ![...failedBy.values()].includes(machine)
}

function hasIndependent(failedBy: ReadonlyMap<string, string>, eligible: readonly Candidate[]): boolean {
  return eligible.some((worker) => isIndependent(failedBy, worker))
}
