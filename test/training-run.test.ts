import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_LIMITS } from '../src/coordinator/core/limits.js'
import { WorkDescriber } from '../src/coordinator/describe-work.js'
import type { RunEvent } from '../src/coordinator/run-events.js'
import { trainingRun } from '../src/coordinator/training-run.js'
import { WeightsBoard } from '../src/coordinator/weights-board.js'
import { WorkerPool } from '../src/coordinator/worker-pool.js'
import { evaluationLength, gradientLength } from '../src/model/parameter-layout.js'
import { runConfigSchema } from '../src/model/run-config.js'
import { PROTOCOL_VERSION } from '../src/shared/protocol/messages.js'
import { TinyProblem } from '../src/simulation/tiny-problem.js'

const DEVICE = { kind: 'cpu', name: 'none', tensorflowVersion: '0', fingerprint: 'f' }

describe('a training run', () => {
  it('validates when an epoch ends, with batches that straddle epochs', async () => {
    const { description, split } = new TinyProblem(1, 1)
    const { layout, classCount } = description.model
    const [trainSamples, batchSize, steps] = [7, 3, 70]
    const settings = { ...description.config, batchSize, shardSize: 3, epochs: 30, maxSteps: steps }
    const config = runConfigSchema.parse({ ...settings, evaluationShardSize: 100 })
    const validated: number[] = []
    const observer = (event: RunEvent): void => {
      if (event.kind === 'evaluated' && event.result.split === 'validation') validated.push(event.result.step)
    }
    const pool = new WorkerPool({
      ...{ observer, limits: DEFAULT_LIMITS, auditEvery: 0, maxWorkers: 1, allowMixedDevices: false },
      ...{ now: () => performance.now(), wakeAt: () => undefined },
    })
    // A worker whose gradients are zero and who takes every image for the first class.
    const { worker } = pool.join({ protocol: PROTOCOL_VERSION, name: 'a', device: DEVICE, incarnation: 'a', host: 'h' })
    pool.connect(worker, {
      send: ({ lease }) => {
        if (lease === undefined) return
        const isGradient = lease.work === 'WORK_GRADIENT'
        const vector = new Float32Array(isGradient ? gradientLength(layout) : evaluationLength(classCount))
        if (!isGradient) vector[0] = 20
        setImmediate(() => pool.result(worker, lease.lease, vector))
      },
      drop: () => undefined,
    })
    pool.receive(worker, { ready: {} })
    const { signal } = new AbortController()
    await trainingRun({
      ...{ description: { ...description, config }, pool, board: new WeightsBoard(), observer, signal },
      splitSizes: { train: trainSamples, validation: 20, test: 20 },
      describer: new WorkDescriber(config, split),
      stopSignal: signal,
      onBrokenOff: async () => Promise.resolve(),
      now: () => performance.now(),
    })
    const epochEnds = Array.from({ length: 30 }, (_, epoch) => Math.ceil(((epoch + 1) * trainSamples) / batchSize))
    assert.deepEqual(validated, epochEnds)
  })
})
