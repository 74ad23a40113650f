import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { afterEach, describe, it } from 'node:test'
import { WeightsStore } from '../../../src/coordinator/weights-store.js'
import { withoutNativeLoops } from '../../../src/shared/native-loops.js'
import { SharedFiles } from '../../../src/shared/shared-files.js'
import { SharedWeights } from '../../../src/worker/shared-weights.js'

const hasMemory = SharedFiles.create()
hasMemory?.files.close()

describe(
  'the weights of a worker on the machine of the coordinator',
  {
    skip: hasMemory === undefined && 'this machine has no /dev/shm',
  },
  () => {
    let close: () => void
    afterEach(() => {
      close()
    })

    /** Both ends, and the bytes that were shared. */
    function ends() {
      const { files, offer } = SharedFiles.create()!
      close = files.close
      const shared: number[] = []
      const store = new WeightsStore({
        files,
        onShared: (bytes) => shared.push(bytes),
        onNotInPlace: (why) => assert.fail(why),
      })
      const names = (): string[] => readdirSync(files.directory).sort()
      return { store, shared, names, offer, reader: new SharedWeights(SharedFiles.open(offer)!, 3) }
    }

    it('are those that the optimizer updates, and nothing is copied', () => {
      const { store, shared, names, reader } = ends()
      const given = Float32Array.of(1, 2, 3)
      const weights = store.place(given)
      assert.notEqual(weights, given)
      store.publish(weights)
      store.share()
      const first = reader.at(1)!
      assert.deepEqual(first, given)
      weights[1] = 5
      assert.deepEqual(first, Float32Array.of(1, 5, 3))
      assert.equal(store.publish(weights), 2)
      assert.deepEqual(reader.at(2), Float32Array.of(1, 5, 3))
      // For a lease that is over nothing is sent over the network.
      assert.ok(reader.at(1))
      assert.deepEqual(names(), ['proof', 'weights'])
      assert.deepEqual(shared, [12, 12])
    })

    it('are read in another process', () => {
      const { store, offer } = ends()
      const weights = store.place(Float32Array.of(1, 2, 3))
      weights[2] = 7
      store.publish(weights)
      const urlOf = (file: string): string => JSON.stringify(new URL(`../../../src/${file}.js`, import.meta.url).href)
      const script = `
      const { SharedFiles } = await import(${urlOf('shared/shared-files')})
      const { SharedWeights } = await import(${urlOf('worker/shared-weights')})
      console.log(...new SharedWeights(SharedFiles.open(${JSON.stringify(offer)}), 3).at(1))`
      const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
      assert.equal(stdout, '1 2 7\n')
    })

    it('are never those in place when a lease is for others, such as the best ones', () => {
      const { store, reader } = ends()
      const weights = store.place(Float32Array.of(1, 2, 3))
      store.publish(weights)
      assert.ok(reader.at(1))
      // Written to a file only once a worker wants to share.
      const best = Float32Array.of(7, 8, 9)
      assert.equal(store.publish(best), 2)
      assert.equal(reader.at(2), undefined)
      store.share()
      assert.deepEqual(reader.at(2), best)
      assert.equal(reader.at(3), undefined)
      assert.equal(store.publish(weights), 3)
      assert.deepEqual(reader.at(3), weights)
    })

    it('are copied where loops are not native', () => {
      withoutNativeLoops(() => {
        const { store, shared, names, reader } = ends()
        const given = Float32Array.of(1, 2, 3)
        assert.equal(store.place(given), given)
        store.publish(given)
        assert.equal(reader.at(1), undefined)
        store.share()
        assert.deepEqual(reader.at(1), given)
        assert.deepEqual(names(), ['proof', 'weights-1'])
        assert.deepEqual(shared, [12])
      })
    })

    it('come over the network where only the coordinator has native loops', () => {
      const { store, reader } = ends()
      store.publish(store.place(Float32Array.of(1, 2, 3)))
      store.share()
      assert.equal(
        withoutNativeLoops(() => reader.at(1)),
        undefined,
      )
    })

    it('come over the network when the model is another one', () => {
      const { store, offer } = ends()
      store.publish(store.place(Float32Array.of(1, 2, 3)))
      assert.equal(new SharedWeights(SharedFiles.open(offer)!, 4).at(1), undefined)
    })
  },
)
