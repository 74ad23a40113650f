import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { packBfloat16, packedBytes, unpackBfloat16 } from '../../../src/shared/bfloat16.js'
import { ReductionTree } from '../../../src/shared/reduction-tree.js'
import { nearestBfloat16 } from '../../support/nearest-bfloat16.js'

const VALUES = 16

/** A division of [first, first + count) into nodes of the tree, chosen by a sequence of bits. */
function blocks(first: number, count: number, choose: () => boolean): { first: number; count: number }[] {
  if (count === 1 || choose()) return [{ first, count }]
  let half = 1
  while (half * 2 < count) half *= 2
  return [...blocks(first, half, choose), ...blocks(first + half, count - half, choose)]
}

function shardVector(shard: number): Float32Array<ArrayBuffer> {
  // Values of very different magnitude: any other order of additions gives other bits.
  return Float32Array.from({ length: VALUES }, (_, index) =>
    Math.fround(((shard * 7919 + index * 104729) % 1000) * 10 ** ((shard + index) % 7)),
  )
}

/** The tree by its definition: left half plus right half. @param rounded values of every node that are rounded to bfloat16 */
function reference(first: number, count: number, rounded: number): Float32Array {
  const node = (vector: Float32Array): Float32Array =>
    vector.map((value, index) => (index < rounded ? nearestBfloat16(value) : value))
  if (count === 1) return node(shardVector(first))
  let half = 1
  while (half * 2 < count) half *= 2
  const right = reference(first + half, count - half, rounded)
  return node(reference(first, half, rounded).map((value, index) => value + right[index]!))
}

/** As it comes over a network. */
function travelled(node: Float32Array<ArrayBuffer>, rounded: number): Float32Array<ArrayBuffer> {
  const received = new Float32Array(node.length)
  const bytes = Buffer.from(packBfloat16(node, rounded))
  packedBytes(received, rounded).set(bytes)
  unpackBfloat16(received, rounded, 0, rounded)
  return received
}

test('any assignment of blocks in any order of arrival gives the bits of the fixed tree, rounded or not, over memory or a network', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom(0, 11, VALUES),
      fc.infiniteStream(fc.boolean()),
      fc.infiniteStream(fc.nat()),
      (shards, rounded, coins, order) => {
        const cut = blocks(0, shards, () => coins.next().value as boolean)
        const tree = new ReductionTree(shards, rounded)
        let sum: Float32Array | undefined
        let last: Float32Array | undefined
        const left = [...cut]
        while (left.length > 0) {
          const [block] = left.splice((order.next().value as number) % left.length, 1)
          const local = new ReductionTree(block!.count, rounded)
          let partial: Float32Array<ArrayBuffer> | undefined
          for (let index = 0; index < block!.count; index++)
            partial = local.addShard(index, shardVector(block!.first + index))
          assert.equal(sum, undefined, 'the sum came before the last block')
          const node = coins.next().value ? travelled(partial!, rounded) : partial!
          last = sum = tree.add(block!.first, block!.count, node)
        }
        assert.deepEqual(last, reference(0, shards, rounded))
      },
    ),
  )
})

test('a block that is no node of the tree, or is added twice, is rejected', () => {
  const tree = new ReductionTree(8)
  assert.throws(() => tree.add(1, 2, new Float32Array(1)), /not a block/)
  assert.throws(() => tree.add(0, 3, new Float32Array(1)), /not a block/)
  assert.throws(() => tree.add(8, 1, new Float32Array(1)), /not a block/)
  tree.add(0, 2, new Float32Array(1))
  assert.throws(() => tree.add(0, 2, new Float32Array(1)), /twice/)
})
