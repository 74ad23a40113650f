import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { newestCheckpoint, restoreState } from '../../../src/durability/restore-state.js'
import { weightsSha256 } from '../../../src/model/weights-sha256.js'
import { packageRoot } from '../../../src/shared/package-root.js'

/** Written by the version that introduced the format: a checkpoint of step 10 and the journal up to step 16. It is never made again. */
const FIXTURE = path.join(packageRoot, 'test', 'fixtures', 'checkpoint-format-1')
const TRAIN_SAMPLES = 60

describe('a run of checkpoint format 1', () => {
  it('fault 54: is read, and its journal replayed, to the same bits as when it was written', () => {
    const warnings: string[] = []
    const warn = (line: string): void => void warnings.push(line)
    const checkpoint = newestCheckpoint(FIXTURE, warn)
    const { manifest, stored } = checkpoint
    assert.equal(manifest.position.step, 10)
    assert.equal(manifest.weightsSha256, '5e07c532e5475d387b46d0c9fa03989f040ca0ab9dc6b632d3e7ae6a0aecccdb')
    assert.equal(weightsSha256(stored.tensors['weights']!), manifest.weightsSha256)
    const { state, events } = restoreState(FIXTURE, checkpoint, {
      ...{ description: manifest.description, trainSamples: TRAIN_SAMPLES, warn },
      ...{ now: () => performance.now() },
    })
    assert.deepEqual(warnings, [])
    assert.deepEqual(
      events.map((event) => (event.kind === 'step' ? event.step : event.kind)),
      [11, 12, 13, 14, 15, 'evaluated', 16],
    )
    assert.equal(weightsSha256(state.weights), '150d1dd9c035dc1ac83a62c3aea7b2a9951d53a7f133da9ecd63e5ba80ce4e33')
    assert.equal(
      weightsSha256(state.optimizer.state.vectors['velocity']!),
      '0adf7f2d9fc19afd8d0ba3610b1d27485efcfea9f3d3722e10946e24d8f80ab3',
    )
    assert.equal(weightsSha256(state.last!.weights), '23512f6e9cdbc4634c046cf0bc6f18b39cd390e5edbd47affde7ba0250aebd44')
    assert.deepEqual([state.step, state.last!.step], [16, 15])
  })
})
