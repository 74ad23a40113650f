import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ReductionTree } from '../../../src/shared/reduction-tree.js'

/** A division of [first, first + count) into nodes of the tree, chosen by a sequence of bits. */
function blocks(first: number, count: number, choose: () => boolean): { first: number; count: number }[] {
  if (count === 1 || choose()) return [{ first, count }]
  let half = 1
  while (half * 2 < count) half *= 2
  return [...blocks(first, half, choose), ...blocks(first + half, count - half, choose)]
}

function shardVector(shard: number): Float32Array<ArrayBuffer> {
  // Values of very different magnitude: any other order of additions gives other bits.
  return Float32Array.from({ length: 16 }, (_, index) =>
    Math.fround(((shard * 7919 + index * 104729) % 1000) * 10 ** ((shard + index) % 7)),
  )
}

/** The tree by its definition: left half plus right half. */
function reference(first: number, count: number): Float32Array {
  if (count === 1) return shardVector(first)
  let half = 1
  while (half * 2 < count) half *= 2
  const right = reference(first + half, count - half)
  return reference(first, half).map((value, index) => value + right[index]!)
}

test('any assignment of blocks in any order of arrival gives the bits of the fixed tree', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.infiniteStream(fc.boolean()),
      fc.infiniteStream(fc.nat()),
      (shards, coins, order) => {
        const cut = blocks(0, shards, () => coins.next().value as boolean)
        const tree = new ReductionTree(shards)
        let sum: Float32Array | undefined
        let last: Float32Array | undefined
        const left = [...cut]
        while (left.length > 0) {
          const [block] = left.splice((order.next().value as number) % left.length, 1)
          const local = new ReductionTree(block!.count)
          let partial: Float32Array<ArrayBuffer> | undefined
          for (let index = 0; index < block!.count; index++)
            partial = local.add(index, 1, shardVector(block!.first + index))
          assert.equal(sum, undefined, 'the sum came before the last block')
          last = sum = tree.add(block!.first, block!.count, partial!)
        }
        assert.deepEqual(last, reference(0, shards))
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
