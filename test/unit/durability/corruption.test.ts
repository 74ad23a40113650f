import assert from 'node:assert/strict'
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { checkpointAt, listCheckpoints } from '../../../src/durability/checkpoints.js'
import { listSegments } from '../../../src/durability/segments.js'
import { weightsSha256 } from '../../../src/model/weights-sha256.js'
import { SeededDraws } from '../../../src/simulation/seeded-draws.js'
import { DurableTraining, STEPS } from '../../support/durable-training.js'
import { WIDE_EVERY, WIDE_STEPS, WideRun } from '../../support/wide-run.js'

// Row 45 of the fault table.

const BLOCK = 4_096

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-corruption-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

const wide = new WideRun(scratch)
await wide.train()
const DONE = WIDE_STEPS - 1
const NEWEST = checkpointAt(wide.runDirectory, 2 * WIDE_EVERY)
const draws = new SeededDraws(45)

/** Damages each block of a file in turn: one bit of it, and the file cut off at its start. */
function forEachDamage(file: string, check: (what: string, at: number) => void): number {
  const whole = readFileSync(file)
  let blocks = 0
  for (let begin = 0; begin < whole.length; begin += BLOCK, blocks++) {
    const at = begin + draws.below(Math.min(BLOCK, whole.length - begin))
    flip(file, at, draws.below(8))
    check(`byte ${at} of ${file}`, at)
    writeFileSync(file, whole)
    truncateSync(file, begin)
    check(`${file} cut off at ${begin}`, begin)
    writeFileSync(file, whole)
  }
  return blocks
}

function flip(file: string, at: number, bit: number): void {
  const descriptor = openSync(file, 'r+')
  const byte = Buffer.alloc(1)
  readSync(descriptor, byte, 0, 1, at)
  byte[0]! ^= 1 << bit
  writeSync(descriptor, byte, 0, 1, at)
  closeSync(descriptor)
}

describe('each block of 4 KiB of a run, with a bit changed or with the file cut off there', () => {
  it('fault 45: of the newest checkpoint: it is detected and logged, and the one before leads to the same weights', () => {
    let blocks = 0
    for (const name of ['state.safetensors', 'manifest.json', 'SHA256SUMS'])
      blocks += forEachDamage(path.join(NEWEST, name), (what) => {
        const { checkpoint, state } = wide.restore()
        assert.equal(checkpoint.manifest.position.step, WIDE_EVERY, what)
        assert.equal(wide.warnings.length, 1, what)
        assert.ok(wide.warnings[0]!.includes(path.basename(NEWEST)), wide.warnings[0])
        if (name === 'state.safetensors') assert.match(wide.warnings[0]!, /state\.safetensors/)
        assert.equal(state.step, DONE, what)
        assert.equal(weightsSha256(state.weights), wide.hashes[DONE], what)
      })
    assert.ok(blocks >= 100, `${blocks} blocks`)
    assert.equal(wide.restore().checkpoint.manifest.position.step, 2 * WIDE_EVERY)
    assert.deepEqual(wide.warnings, [])
  })

  it('fault 45: of the journal: it is detected and logged, and the steps before it are used', () => {
    const { file, baseStep, bytes } = listSegments(wide.runDirectory).at(-1)!
    const frameBytes = (bytes - 60) / (DONE - baseStep)
    const blocks = forEachDamage(file, (what, at) => {
      const { state } = wide.restore()
      assert.equal(wide.warnings.length, 1, what)
      assert.ok(wide.warnings[0]!.includes(file), wide.warnings[0])
      assert.equal(state.step, baseStep + Math.max(0, Math.floor((at - 60) / frameBytes)), what)
      assert.equal(weightsSha256(state.weights), wide.hashes[state.step], what)
    })
    assert.ok(blocks >= 50, `${blocks} blocks`)
    assert.equal(wide.restore().state.step, DONE)
  })

  it('fault 45: of the journal between the last two checkpoints, when the newest is damaged too: the steps after it are not used', () => {
    flip(path.join(NEWEST, 'state.safetensors'), 5_000, 0)
    const { file, baseStep } = listSegments(wide.runDirectory).at(-2)!
    forEachDamage(file, (what) => {
      const { state } = wide.restore()
      assert.ok(state.step >= baseStep && state.step < 2 * WIDE_EVERY, what)
      assert.equal(weightsSha256(state.weights), wide.hashes[state.step], what)
      assert.equal(wide.warnings.length, 2, what)
    })
    flip(path.join(NEWEST, 'state.safetensors'), 5_000, 0)
  })
})

describe('a checkpoint that is not what it should be', () => {
  const damages: readonly [string, (newest: string, other: DurableTraining) => void, RegExp][] = [
    ['no manifest', (newest) => rmSync(path.join(newest, 'manifest.json')), /step-00000020.*manifest\.json/],
    ['no sums', (newest) => rmSync(path.join(newest, 'SHA256SUMS')), /step-00000020.*SHA256SUMS/],
    ['no state', (newest) => rmSync(path.join(newest, 'state.safetensors')), /step-00000020.*state\.safetensors/],
    [
      "another run's manifest",
      (newest, other) =>
        cpSync(path.join(checkpointAt(other.runDirectory, 20), 'manifest.json'), path.join(newest, 'manifest.json')),
      /step-00000020 is damaged: the sha256 of manifest\.json/,
    ],
    [
      "another run's manifest with its sums",
      (newest, other) => {
        for (const name of ['manifest.json', 'SHA256SUMS'])
          cpSync(path.join(checkpointAt(other.runDirectory, 30), name), path.join(newest, name))
      },
      /step-00000020 is damaged: the sha256 of state\.safetensors/,
    ],
    [
      'the checkpoint of another run',
      (newest, other) => {
        rmSync(newest, { recursive: true })
        cpSync(checkpointAt(other.runDirectory, 20), newest, { recursive: true })
      },
      /step-00000020 belongs to another run, other/,
    ],
    [
      'a later checkpoint of another run',
      (newest, other) => {
        rmSync(newest, { recursive: true })
        cpSync(checkpointAt(other.runDirectory, 30), checkpointAt(path.dirname(path.dirname(newest)), 30), {
          recursive: true,
        })
      },
      /step-00000030 belongs to another run, other/,
    ],
    [
      'one of an earlier step under its name',
      (newest) => {
        rmSync(newest, { recursive: true })
        cpSync(path.join(path.dirname(newest), 'step-00000000'), newest, { recursive: true })
      },
      /step-00000020 has the checkpoint of step 0/,
    ],
  ]

  it('fault 45: gives way to the one before, says why, and the run ends with the same weights', async () => {
    const expected = (await new DurableTraining(scratch).train()).outcome!.result.weightsSha256
    const other = new DurableTraining(scratch, { name: 'other' })
    await other.train({ breakAfter: 35, workers: 2 })
    for (const [what, damage, reason] of damages) {
      const training = new DurableTraining(scratch)
      await training.train(25)
      damage(listCheckpoints(training.runDirectory)[0]!.directory, other)
      const restored = training.restore()!
      assert.equal(restored.checkpoint.manifest.position.step, 10, what)
      assert.equal(restored.state.step, 25, what)
      assert.match(training.warnings[0]!, reason, what)
      assert.equal((await training.train()).outcome!.result.weightsSha256, expected, what)
      training.warnings.length = 0
      assert.equal(training.restore()!.state.step, STEPS, what)
      assert.deepEqual(training.warnings, [], what)
    }
  })
})
