import { roundToBfloat16 } from './bfloat16.js'
import { ConvoyError } from './errors.js'
import { nativeLoops } from './native-loops.js'

/**
 * The all-reduce order. Shard vectors are summed in one binary tree over the shard index, whichever workers computed them:
 *
 *     shard   0   1   2   3   4          a block is any node of this tree:
 *              \ /     \ /    |          [i·2^j, (i+1)·2^j), cut off at the number of shards
 *              0-1     2-3    4
 *                 \   /       |
 *                  0-3        4
 *                     \      /
 *                       0-4
 *
 * Float addition is not associative, so the same order everywhere is what makes the weights the same everywhere. A node
 * without a right half passes its left half through.
 *
 * With `wire: bfloat16` the gradients of every node are rounded, those of a shard too: whichever node travels, it loses nothing on the way.
 */
export class ReductionTree<Vector extends Float32Array = Float32Array<ArrayBuffer>> {
  readonly #shards: number
  readonly #rounded: number
  /** Finished nodes that wait for their sibling, by first shard. */
  readonly #waiting = new Map<number, { size: number; vector: Vector }>()
  readonly #free: (vector: Vector) => void
  readonly #add: (left: Vector, right: Vector) => void

  /**
   * @param count shards in the (sub)tree
   * @param rounded values of every node, from the first, that are rounded to bfloat16
   * @param free called with every vector that was added to another
   * @param add does what {@link addInto} does, with as many values rounded
   */
  constructor(
    count: number,
    rounded = 0,
    free: (vector: Vector) => void = () => undefined,
    add: (left: Vector, right: Vector) => void = (left, right) => {
      addInto(left, right, 1, rounded)
    },
  ) {
    this.#shards = count
    this.#rounded = rounded
    this.#free = free
    this.#add = add
  }

  /** Adds the vector of a shard as it was computed: it becomes a node of the tree, and is rounded as one. See {@link add}. */
  addShard(shard: number, vector: Vector): Vector | undefined {
    roundToBfloat16(vector, this.#rounded)
    return this.add(shard, 1, vector)
  }

  /**
   * Adds a block's sum, a node of the tree. The vector is owned by the tree from here on and is overwritten.
   * @returns the sum over all shards when this was the last block
   * @throws ConvoyError('internal') when the block is none of this tree's or was added before
   */
  add(first: number, count: number, vector: Vector): Vector | undefined {
    let start = first
    let size = blockSize(first, count, this.#shards)
    let sum = vector
    if (this.#waiting.has(start)) throw new ConvoyError('internal', `shards ${first}+${count} were added twice`)
    while (size < this.#shards) {
      const isLeft = start % (2 * size) === 0
      const otherStart = isLeft ? start + size : start - size
      if (!isLeft || otherStart < this.#shards) {
        const other = this.#waiting.get(otherStart)
        if (other?.size !== size) {
          this.#waiting.set(start, { size, vector: sum })
          return undefined
        }
        this.#waiting.delete(otherStart)
        const [left, right] = isLeft ? [sum, other.vector] : [other.vector, sum]
        this.#add(left, right)
        sum = left
        this.#free(right)
        start = Math.min(start, otherStart)
      }
      size *= 2
    }
    return sum
  }

  /** Puts another in the place of a vector, if it waits to be added. @param other makes it */
  replace(vector: Vector, other: () => Vector): void {
    for (const node of this.#waiting.values()) if (node.vector === vector) node.vector = other()
  }
}

/**
 * left += right, element by element in float32.
 * @param threads of native loops: a worker shares the machine with others, and has one
 * @param rounded elements of the sum, from the first, that are then rounded to bfloat16
 */
export function addInto(left: Float32Array, right: Float32Array, threads = 1, rounded = 0): void {
  const native = nativeLoops()
  if (native) return native.add(left, right, left.length, threads, rounded)
  for (let index = 0; index < left.length; index++) left[index] = left[index]! + right[index]!
  roundToBfloat16(left, rounded)
}

/** The power-of-two size of block [first, first + count): larger than `count` only where the tree is cut off. */
function blockSize(first: number, count: number, shards: number): number {
  let size = 1
  while (size < count) size *= 2
  const isNode = count >= 1 && first % size === 0 && (count === size || first + count === shards)
  if (!isNode || first + count > shards) {
    throw new ConvoyError('internal', `shards ${first}+${count} of ${shards} are not a block of the reduction tree`)
  }
  return size
}
