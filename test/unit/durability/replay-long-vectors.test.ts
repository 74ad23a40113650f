import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, it } from 'node:test'
import { realDisk } from '../../../src/durability/disk.js'
import { Journal } from '../../../src/durability/journal.js'
import { replayJournal } from '../../../src/durability/replay-journal.js'
import { listSegments } from '../../../src/durability/segments.js'
import type { ParameterLayout } from '../../../src/model/parameter-layout.js'
import { gradientLength } from '../../../src/model/parameter-layout.js'
import { SeededDraws } from '../../../src/simulation/seeded-draws.js'
import { TinyProblem } from '../../../src/simulation/tiny-problem.js'
import { withoutNativeLoops, withThreads } from '../../../src/shared/native-loops.js'
import { initialState } from '../../../src/training/training-state.js'

/** More than one slice. */
const WEIGHTS = 2 ** 20 + 8
const runDirectory = mkdtempSync(path.join(os.tmpdir(), 'convoy-long-'))
after(() => {
  rmSync(runDirectory, { recursive: true, force: true })
})

it('a journal of long vectors gives the same weights on several threads and in TypeScript', async () => {
  const { description: tiny, split } = new TinyProblem(1, 1)
  const [tensor] = tiny.model.layout.tensors
  const layout: ParameterLayout = {
    ...tiny.model.layout,
    ...{ tensors: [{ ...tensor!, shape: [WEIGHTS], size: WEIGHTS }], trainableCount: WEIGHTS, weightCount: WEIGHTS },
  }
  const description = { ...tiny, model: { ...tiny.model, layout } }
  const journal = new Journal({
    ...{ runDirectory, mode: 'on', config: description.config, vectorLength: gradientLength(layout) },
    ...{ onFailure: assert.ifError, disk: realDisk },
  })
  await journal.cut(initialState(description))
  const draws = new SeededDraws(1)
  const sum = Float32Array.from({ length: gradientLength(layout) }, () => draws.below(1_000) / 1_000)
  await journal.appendStep(0, { waitMs: 1, reduceMs: 1, workers: 1 }, sum)
  await journal.close()

  const replay = (): Float32Array => {
    const state = initialState(description)
    const before = state.weights.slice()
    replayJournal(state, listSegments(runDirectory), {
      ...{ description, trainSamples: split.train.length, now: () => 0, warn: (line) => assert.fail(line) },
    })
    assert.equal(state.step, 1)
    assert.notDeepEqual(state.weights.subarray(-8), before.subarray(-8))
    return state.weights
  }
  assert.deepEqual(withThreads(2, replay), withoutNativeLoops(replay))
})
