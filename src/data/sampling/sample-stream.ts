import { KeyedRandom, PURPOSE } from '../../shared/philox.js'
import { permutation } from './split.js'

/** Number of epochs whose order is kept: a batch may straddle two. */
const EPOCHS_KEPT = 2

/**
 * The order in which samples are trained on: epoch after epoch, each a permutation of the training split keyed by
 * (seed, epoch). Step k takes positions [kB, (k + 1)B); a batch may straddle two epochs, and nothing is padded or dropped.
 */
export class SampleStream {
  readonly #train: Uint32Array
  readonly #random: KeyedRandom
  readonly #orders = new Map<number, Uint32Array>()

  /** @param train sample indices of the training split, not empty */
  constructor(train: Uint32Array, seed: number) {
    this.#train = train
    this.#random = new KeyedRandom(seed, PURPOSE.shuffle)
  }

  /**
   * The samples of one shard, and the epoch of each.
   * @param step from 0; @param shard 0 to batchSize / shardSize - 1
   * @returns both uint32, `[shardSize]`
   */
  shard(
    step: number,
    shard: number,
    batchSize: number,
    shardSize: number,
  ): { samples: Uint32Array; epochs: Uint32Array } {
    const samples = new Uint32Array(shardSize)
    const epochs = new Uint32Array(shardSize)
    const first = step * batchSize + shard * shardSize
    for (let index = 0; index < shardSize; index++) {
      const position = first + index
      const epoch = Math.floor(position / this.#train.length)
      samples[index] = this.#train[this.#order(epoch)[position - epoch * this.#train.length]!]!
      epochs[index] = epoch
    }
    return { samples, epochs }
  }

  #order(epoch: number): Uint32Array {
    let order = this.#orders.get(epoch)
    if (order === undefined) {
      order = permutation(this.#train.length, this.#random, epoch)
      if (this.#orders.size === EPOCHS_KEPT) this.#orders.delete(Math.min(...this.#orders.keys()))
      this.#orders.set(epoch, order)
    }
    return order
  }
}
