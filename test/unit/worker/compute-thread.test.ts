import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { FromCompute } from '../../../src/worker/compute-messages.js'
import { ComputeThread } from '../../../src/worker/compute-thread.js'
import { openDataset } from '../../../src/data/open-dataset.js'
import { describeModel } from '../../../src/model/describe-model.js'
import { initialWeights } from '../../../src/model/initial-weights.js'
import { buildNetwork } from '../../../src/model/networks/networks.js'
import { gradientLength } from '../../../src/model/parameter-layout.js'
import { RECIPES } from '../../../src/model/config/recipes.js'
import type { RunDescription } from '../../../src/model/run-description.js'
import { runConfigSchema } from '../../../src/model/config/run-config.js'
import { headerOnly } from '../../../src/data/dataset.js'
import { SharedFiles } from '../../../src/shared/shared-files.js'

/** The description of a run with this network. */
async function describeRun(name: 'resnet8' | 'resnet20'): Promise<RunDescription> {
  const dataset = headerOnly(await openDataset('cifar10'))
  const network = await buildNetwork({ name, reg: 0, dropoutRate: 0 }, [32, 32, 3], 10)
  const model = describeModel(network)
  network.dispose()
  return { config: runConfigSchema.parse({ ...RECIPES['quick']!.config, shardSize: 4 }), model, dataset }
}

describe('the compute thread of a worker', () => {
  const created = SharedFiles.create()
  after(() => created?.files.close())

  it('computes for the last joined run when joins overlap', async () => {
    const [first, last] = await Promise.all([describeRun('resnet20'), describeRun('resnet8')])
    const { thread } = await ComputeThread.start('cpu')
    try {
      const prepare = { sharedFiles: undefined, worker: 1, session: '' }
      void thread.prepare({ description: first, ...prepare })
      await thread.prepare({ description: last, ...prepare })
      const { layout } = last.model
      const computed = new Promise<FromCompute>((resolve, reject) => {
        const onMessage = (message: FromCompute): void => {
          if (message.kind === 'result' || message.kind === 'failed') resolve(message)
        }
        thread.listen({ onMessage, onBroken: reject })
      })
      thread.send({ kind: 'weights', version: 1, weights: new Float32Array(initialWeights(layout, 1)) })
      const shards = { work: 'WORK_GRADIENT', step: 0, split: 'train', firstShard: 0, shardCount: 1 } as const
      thread.send({ kind: 'lease', lease: { lease: 1, weightsVersion: 1, ...shards } })
      const result = await computed
      assert.equal(result.kind, 'result')
      assert.equal(result.kind === 'result' && result.bytes, 4 * gradientLength(layout))
    } finally {
      await thread.close()
    }
  })

  it('computes the shards of a lease, and adds them up', async () => {
    const description = await describeRun('resnet8')
    const { thread } = await ComputeThread.start('cpu')
    try {
      await thread.prepare({ description, worker: 1, session: '', sharedFiles: undefined })
      const { layout } = description.model
      thread.send({ kind: 'weights', version: 1, weights: new Float32Array(initialWeights(layout, 1)) })
      const compute = async (lease: number, firstShard: number, shardCount: number): Promise<Float32Array> => {
        const computed = new Promise<FromCompute>((resolve, reject) => {
          const onMessage = (message: FromCompute): void => {
            if (message.kind === 'result' || message.kind === 'failed') resolve(message)
          }
          thread.listen({ onMessage, onBroken: reject })
        })
        const shards = { work: 'WORK_GRADIENT', step: 0, split: 'train', firstShard, shardCount } as const
        thread.send({ kind: 'lease', lease: { lease, weightsVersion: 1, ...shards } })
        const result = await computed
        assert.ok(result.kind === 'result' && result.lease === lease)
        return result.vector!
      }
      const [first, second, both] = [await compute(1, 2, 1), await compute(2, 3, 1), await compute(3, 2, 2)]
      assert.notDeepEqual(first, second)
      assert.notDeepEqual(await compute(4, 0, 1), first)
      assert.deepEqual(
        both,
        first.map((value, index) => Math.fround(value + second[index]!)),
      )
    } finally {
      await thread.close()
    }
  })

  it(
    'removes its shared files when the worker joins again',
    { skip: created === undefined && 'this machine has no /dev/shm' },
    async () => {
      const { files, offer } = created!
      const description = await describeRun('resnet8')
      const { thread } = await ComputeThread.start('cpu')
      try {
        await thread.prepare({ description, worker: 1, session: '', sharedFiles: offer })
        files.write('result-1', new Uint8Array(4))
        await thread.prepare({ description, worker: 2, session: '', sharedFiles: offer })
        assert.equal(files.read('result-1', new Float32Array(1)), false)
      } finally {
        await thread.close()
      }
    },
  )
})
