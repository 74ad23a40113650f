import assert from 'node:assert/strict'
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { checkpointsIn, listCheckpoints, pruneCheckpoints } from '../../../src/durability/checkpoints.js'
import { defaultJournalMode } from '../../../src/durability/journal.js'
import { decodeHeader, encodeHeader, HEADER_BYTES } from '../../../src/durability/journal-format.js'
import { listSegments } from '../../../src/durability/segments.js'
import type { MetricsLine } from '../../../src/reporting/sinks/metrics-line.js'
import type { RunEvent } from '../../../src/training/run-events.js'
import { DurableTraining, STEPS } from '../../support/durable-training.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-durable-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

const expected = await new DurableTraining(scratch).train()
const hash = expected.outcome!.result.weightsSha256

function stepsOf(events: readonly (RunEvent | MetricsLine)[]): number[] {
  return events.flatMap((event) => (event.kind === 'step' ? [event.step] : []))
}

describe('a run that is broken off after any step and resumed', () => {
  it('ends with the weights of an undisturbed one, and computes no step twice', async () => {
    for (let step = 1; step < STEPS; step++) {
      const training = new DurableTraining(scratch)
      const before = await training.train(step)
      assert.equal(before.outcome, undefined)
      const { outcome, events } = await training.train()
      assert.equal(outcome!.result.weightsSha256, hash, `broken off after step ${step}`)
      assert.deepEqual(outcome!.result.weights, expected.outcome!.result.weights)
      const all = Array.from({ length: STEPS }, (_, index) => index + 1)
      assert.deepEqual([...stepsOf(before.events), ...stepsOf(events)], all)
      assert.deepEqual(stepsOf(training.metrics()), all, `metrics.jsonl, broken off after step ${step}`)
      assert.deepEqual(training.warnings, [])
    }
  })

  it('ends with the same weights without a journal, from the last checkpoint', async () => {
    const training = new DurableTraining(scratch, { journal: 'off' })
    await training.train(27)
    assert.deepEqual(listSegments(training.runDirectory), [])
    const { outcome, events } = await training.train()
    assert.equal(stepsOf(events)[0], 21)
    assert.equal(outcome!.result.weightsSha256, hash)
  })

  it('may be broken off again and again', async () => {
    const training = new DurableTraining(scratch)
    for (let step = 1; step < STEPS; step += 3) await training.train(step)
    const { outcome } = await training.train()
    assert.equal(outcome!.result.weightsSha256, hash)
  })
})

describe('the journal of a run that names no mode', () => {
  it('is on up to 64 MiB a step, and off above', () => {
    assert.equal(defaultJournalMode(64 * 2 ** 20), 'on')
    assert.equal(defaultJournalMode(64 * 2 ** 20 + 4), 'off')
  })
})

describe('checkpoints and journal on disk', () => {
  it('are those of the newest steps: as many checkpoints as were asked for, that of the best weights, and their journal', async () => {
    const training = new DurableTraining(scratch, { keep: 2 })
    await training.train(35)
    const best = training.restore()!.state.best!.step
    const steps = listCheckpoints(training.runDirectory).map((checkpoint) => checkpoint.step)
    assert.deepEqual(steps, [30, 20, ...(best === 10 ? [10] : [])])
    assert.deepEqual(
      listSegments(training.runDirectory).map(({ baseStep }) => baseStep),
      steps.toReversed(),
    )
    assert.ok(readdirSync(checkpointsIn(training.runDirectory)).every((name) => /^step-\d{8}$/.test(name)))
  })

  it('are used up to the damage: a checkpoint with any part changed, cut or missing gives way to the one before', async () => {
    const training = new DurableTraining(scratch)
    await training.train(25)
    const [newest] = listCheckpoints(training.runDirectory)
    const whole = path.join(scratch, 'whole')
    cpSync(newest!.directory, whole, { recursive: true })
    const damages: [string, (file: string, bytes: Buffer) => void][] = [
      ['changed at the start', (file, bytes) => writeFileSync(file, flipped(bytes, 0))],
      ['changed in the middle', (file, bytes) => writeFileSync(file, flipped(bytes, bytes.length >> 1))],
      ['changed at the end', (file, bytes) => writeFileSync(file, flipped(bytes, bytes.length - 1))],
      ['cut', (file, bytes) => truncateSync(file, bytes.length - 1)],
      ['empty', (file) => truncateSync(file, 0)],
      ['longer', (file, bytes) => writeFileSync(file, Buffer.concat([bytes, Buffer.from(' ')]))],
      ['missing', (file) => rmSync(file)],
    ]
    for (const name of readdirSync(whole))
      for (const [what, damage] of damages) {
        const file = path.join(newest!.directory, name)
        damage(file, readFileSync(file))
        training.warnings.length = 0
        const restored = training.restore()!
        assert.equal(restored.checkpoint.manifest.position.step, 10, `${name} ${what}`)
        assert.match(training.warnings[0]!, /step-00000020/, `${name} ${what}`)
        // The journal of the checkpoint before leads to the same step.
        assert.equal(restored.state.step, 25, `${name} ${what}`)
        copyFileSync(path.join(whole, name), file)
      }
    assert.equal(training.restore()!.checkpoint.manifest.position.step, 20)
  })

  it('are used up to the damage: a journal with any byte changed, or cut anywhere, gives the whole steps before', async () => {
    const training = new DurableTraining(scratch, { every: { kind: 'steps', steps: 1_000 } })
    await training.train(12)
    const [segment] = listSegments(training.runDirectory)
    const bytes = readFileSync(segment!.file)
    const undamaged = training.restore()!
    assert.equal(undamaged.state.step, 12)
    const weightsAfter = new Map<number, string>()
    for (const damaged of damagesOf(bytes)) {
      writeFileSync(segment!.file, damaged)
      training.warnings.length = 0
      const { state } = training.restore()!
      assert.ok(state.step < 12 || damaged.length > bytes.length)
      assert.ok(training.warnings.length > 0 || damaged.length < bytes.length, 'the damage is not logged')
      const weights = state.weights.join()
      assert.equal(weightsAfter.get(state.step) ?? weights, weights)
      weightsAfter.set(state.step, weights)
    }
    assert.ok(weightsAfter.size > 10)
    writeFileSync(segment!.file, damagesOf(bytes)[300]!)
    assert.equal((await training.train()).outcome!.result.weightsSha256, hash)
  })

  it('are not mixed with those of another run: a segment that continues other weights or settings is left out', async () => {
    const training = new DurableTraining(scratch)
    await training.train(5)
    const [segment] = listSegments(training.runDirectory)
    const bytes = readFileSync(segment!.file)
    const header = decodeHeader(bytes.subarray(0, HEADER_BYTES), segment!.file)
    for (const other of [{ weightsCrc: (header.weightsCrc + 1) % 2 ** 32 }, { configSha256: 'ab'.repeat(32) }]) {
      const changed = encodeHeader({ ...header, ...other })
      writeFileSync(segment!.file, Buffer.concat([changed, bytes.subarray(HEADER_BYTES)]))
      training.warnings.length = 0
      assert.equal(training.restore()!.state.step, 0)
      assert.match(training.warnings.join(), /left out: it continues other weights or another configuration/)
    }
  })

  it('fault 54: of a later format are rejected: a run does not go back to the checkpoint before them', async () => {
    const training = new DurableTraining(scratch)
    await training.train(15)
    const { directory } = listCheckpoints(training.runDirectory)[0]!
    const [manifest, sums] = ['manifest.json', 'SHA256SUMS'].map((name) => path.join(directory, name)) as [
      string,
      string,
    ]
    const later = readFileSync(manifest, 'utf8').replace('"format": 1', '"format": 2')
    writeFileSync(manifest, later)
    const [, state] = readFileSync(sums, 'utf8').split('\n')
    writeFileSync(sums, `${createHash('sha256').update(later).digest('hex')}  manifest.json\n${state}\n`)
    training.warnings.length = 0
    assert.equal(training.restore(), undefined)
    assert.match(training.warnings.join('\n'), /has format 2; this version of Convoy reads format 1/)
  })

  it('are found when the only one was about to be replaced', async () => {
    const training = new DurableTraining(scratch, { keep: 1 })
    await training.train(25)
    const [only] = listCheckpoints(training.runDirectory)
    renameSync(only!.directory, path.join(path.dirname(only!.directory), `.old-${path.basename(only!.directory)}`))
    assert.equal(training.restore()!.state.step, 25)
    assert.deepEqual(training.warnings, [])
    assert.equal((await training.train()).outcome!.result.weightsSha256, hash)
  })

  it('take no place of a whole one when they are later than the newest, or damaged', async () => {
    const training = new DurableTraining(scratch, { keep: 1 })
    await training.train(25)
    const root = checkpointsIn(training.runDirectory)
    cpSync(path.join(root, 'step-00000020'), path.join(root, 'step-00000030'), { recursive: true })
    assert.deepEqual(pruneCheckpoints(training.runDirectory, 1, undefined, 20).kept, [20])
    assert.equal(listCheckpoints(training.runDirectory).length, 2)
    rmSync(path.join(root, 'step-00000030', 'manifest.json'))
    await training.train(28)
    assert.deepEqual(
      listCheckpoints(training.runDirectory).map(({ step }) => step),
      [20],
    )
    assert.match(
      training.warnings.join('\n'),
      /step-00000030 is removed: the run goes on from the checkpoint of step 20/,
    )
  })

  it('left unfinished by a killed coordinator are removed, and a replaced one gets its name back', async () => {
    const training = new DurableTraining(scratch)
    await training.train(25)
    const root = checkpointsIn(training.runDirectory)
    for (const name of ['.new-step-00000030-abcd', '.gone-step-00000000']) mkdirSync(path.join(root, name))
    cpSync(path.join(root, 'step-00000020'), path.join(root, '.old-step-00000015'), { recursive: true })
    await training.train()
    const names = readdirSync(root)
    assert.ok(
      names.every((name) => /^step-\d{8}$/.test(name)),
      names.join(),
    )
  })
})

function flipped(bytes: Buffer, index: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[index]! ^= 1
  return changed
}

/** Each byte changed, and each length. */
function damagesOf(bytes: Buffer): Buffer[] {
  const changed = Array.from(bytes, (_, index) => flipped(bytes, index))
  const cut = Array.from(bytes, (_, length) => bytes.subarray(0, length))
  return [...changed, ...cut]
}
