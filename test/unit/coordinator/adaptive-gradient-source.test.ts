import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AdaptiveGradientSource } from '../../../src/coordinator/adaptive-gradient-source.js'
import type { GradientSource } from '../../../src/training/gradient-source.js'

const { signal } = new AbortController()

/** A source whose sums are a number, to tell who computed. */
function sourceOf(value: number, shardMs: number): GradientSource {
  const sum = async (): Promise<Float32Array> => Promise.resolve(Float32Array.of(value))
  return {
    stats: { workers: 2, peakWorkers: 2, reissued: 0, reduceMs: 0, shardMs, resultMs: 0 },
    publish: () => undefined,
    gradientSum: sum,
    evaluationSum: sum,
    release: () => undefined,
  }
}

const [HERE, WORKERS] = [1, 2]

function adaptive({ shardMs, shards = 4, maxWorkers = 2, totalSteps = 1_000 }: Record<string, number>) {
  const seen = { started: 0, lines: [] as string[], closed: 0, workers: 0, tookOver: 0 }
  const source = new AdaptiveGradientSource({
    own: sourceOf(HERE, shardMs!),
    pool: sourceOf(WORKERS, 0),
    shards: { close: () => seen.closed++ },
    compute: { maxWorkers, startWorkers: (count) => (seen.started = count) },
    ...{ shardsPerBatch: shards, vectorBytes: 1e6, totalSteps },
    workerCount: () => seen.workers,
    onWorkers: () => seen.tookOver++,
    report: (line) => seen.lines.push(line),
  })
  const step = async (index: number): Promise<number> => (await source.gradientSum(index, signal))[0]!
  return { seen, source, step }
}

describe('the choice between this process and workers', () => {
  it('starts workers for long shards, and leaves the work to them when all are there', async () => {
    const { seen, source, step } = adaptive({ shardMs: 50 })
    assert.equal(await step(0), HERE)
    assert.equal(seen.started, 2)
    assert.match(seen.lines.join(), /200\.0 ms in one process; starting 2 worker processes/)
    seen.workers = 1
    assert.equal(await step(1), HERE)
    assert.equal(source.stats.workers, 1)
    seen.workers = 2
    assert.equal(await step(2), WORKERS)
    // One is lost: the others go on without this process.
    seen.workers = 1
    assert.equal(await step(3), WORKERS)
    assert.equal((await source.evaluationSum('test', 3, signal, () => undefined))[0], WORKERS)
    assert.deepEqual([seen.closed, seen.tookOver, seen.lines.length], [1, 1, 1])
    assert.equal(source.stats.workers, 2)
  })

  it('computes alone where messages cost more, or the rest of the run is too short to gain', async () => {
    for (const alone of [{ shardMs: 1 }, { shardMs: 50, totalSteps: 20 }, { shardMs: 50, shards: 1 }]) {
      const { seen, step } = adaptive(alone)
      assert.equal(await step(0), HERE)
      assert.equal(seen.started, 0)
      assert.match(seen.lines.join(), /^Computing in one process: /)
    }
    const { seen, step } = adaptive({ shardMs: 50, maxWorkers: 1 })
    assert.equal(await step(0), HERE)
    assert.match(seen.lines.join(), /one was asked for/)
  })

  it('waits until shards are measured', async () => {
    const { seen, step } = adaptive({ shardMs: 0 })
    assert.equal(await step(0), HERE)
    assert.deepEqual([seen.started, seen.lines.length], [0, 0])
  })
})
