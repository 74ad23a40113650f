import type { SplitName } from '../../src/data/dataset.js'
import { ReductionTree } from '../../src/shared/reduction-tree.js'
import { SeededDraws } from '../../src/simulation/seeded-draws.js'
import type { GradientSource } from '../../src/training/gradient-source.js'
import type { ShardCounts, ShardFunctions } from '../../src/training/plain-gradient-source.js'

interface Block {
  readonly first: number
  readonly size: number
}

/** Sums of blocks of shards, as a number of workers would compute them, which arrive in a random order. */
export class ScatteredGradientSource implements GradientSource {
  readonly stats
  readonly #functions: ShardFunctions
  readonly #counts: ShardCounts
  readonly #draws: SeededDraws
  #weights = new Float32Array()

  constructor(functions: ShardFunctions, counts: ShardCounts, workers: number) {
    this.stats = { workers, peakWorkers: workers, reissued: 0, reduceMs: 0, shardMs: 0, resultMs: 0 }
    this.#functions = functions
    this.#counts = counts
    this.#draws = new SeededDraws(workers)
  }

  publish(weights: Float32Array<ArrayBuffer>): void {
    this.#weights = weights
  }

  async gradientSum(step: number, signal: AbortSignal): Promise<Float32Array> {
    const { rounded = 0 } = this.#functions
    return this.#sum(this.#counts.batch, rounded, signal, (shard) =>
      this.#functions.gradient(step, shard, this.#weights),
    )
  }

  async evaluationSum(split: SplitName, _step: number, signal: AbortSignal): Promise<Float32Array> {
    return this.#sum(this.#counts.split[split], 0, signal, (shard) =>
      this.#functions.evaluate(split, shard, this.#weights),
    )
  }

  release(): void {
    // Each sum has memory of its own.
  }

  async #sum(
    shards: number,
    rounded: number,
    signal: AbortSignal,
    compute: (shard: number) => Float32Array<ArrayBuffer>,
  ): Promise<Float32Array> {
    const tree = new ReductionTree(shards, rounded)
    const blocks = blocksOf(shards, this.stats.workers)
    let sum: Float32Array | undefined
    while (blocks.length > 0) {
      const [{ first, size }] = blocks.splice(this.#draws.below(blocks.length), 1) as [Block]
      const block = new ReductionTree(size, rounded)
      let part: Float32Array<ArrayBuffer> | undefined
      for (let shard = 0; shard < size; shard++) {
        part = block.addShard(shard, compute(first + shard))
        signal.throwIfAborted()
      }
      sum = tree.add(first, size, part!)
    }
    return Promise.resolve(sum!)
  }
}

/** Nodes of the reduction tree that cover all shards: at least one for each worker, or one for each shard. */
function blocksOf(shards: number, workers: number): Block[] {
  let blocks: Block[] = [{ first: 0, size: shards }]
  while (blocks.length < Math.min(workers, shards)) {
    const largest = blocks.reduce((most, block) => (block.size > most.size ? block : most))
    const left = 2 ** (Math.ceil(Math.log2(largest.size)) - 1)
    blocks = blocks.flatMap((block) =>
      block === largest
        ? [
            { first: block.first, size: left },
            { first: block.first + left, size: block.size - left },
          ]
        : [block],
    )
  }
  return blocks
}
