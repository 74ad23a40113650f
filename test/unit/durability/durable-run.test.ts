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
import { setTimeout as delay } from 'node:timers/promises'
import { checkpointsIn, listCheckpoints, pruneCheckpoints } from '../../../src/durability/checkpoints.js'
import { carryOutOrder } from '../../../src/durability/carry-out-order.js'
import type { CheckpointWriter, RunFacts } from '../../../src/durability/checkpoint-thread.js'
import type { Disk, OpenFile } from '../../../src/durability/disk.js'
import { realDisk } from '../../../src/durability/disk.js'
import { defaultJournalMode } from '../../../src/durability/journal.js'
import { decodeHeader, encodeHeader, HEADER_BYTES } from '../../../src/durability/journal-format.js'
import type { RestoredState } from '../../../src/durability/restore-state.js'
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
    const steps: number[] = []
    for (let step = 1; step < STEPS; step += 3) steps.push(...stepsOf((await training.train(step)).events))
    const { outcome, events } = await training.train()
    assert.equal(outcome!.result.weightsSha256, hash)
    assert.deepEqual(
      [...steps, ...stepsOf(events)],
      Array.from({ length: STEPS }, (_, index) => index + 1),
    )
  })
})

describe('the journal of a run that names no mode', () => {
  it('is on up to 64 MiB a step, and off above', () => {
    assert.equal(defaultJournalMode(64 * 2 ** 20), 'on')
    assert.equal(defaultJournalMode(64 * 2 ** 20 + 4), 'off')
  })
})

describe('the journal of a disk that fails once', () => {
  it('is announced again when a checkpoint after the gap is on disk, not before', async () => {
    let failsAt = 12
    const disk: Disk = {
      ...realDisk,
      open: async (...place) => {
        const file = await realDisk.open(...place)
        const fail = async (): Promise<never> => Promise.reject(new Error('EIO'))
        const writev: OpenFile['writev'] = async (pieces, position) =>
          training.journaled.at(-1) === failsAt - 1 ? ((failsAt = -1), fail()) : file.writev(pieces, position)
        return { ...bound(file), writev }
      },
    }
    // The checkpoint of step 10 is on disk after step 13, that of step 20 after step 23, perhaps before the last steps until then are announced.
    const training = new DurableTraining(scratch, { disk, lag: 3 })
    await training.train(30)
    assert.deepEqual(training.warnings, ['EIO'])
    const announced = (first: number, last: number) =>
      training.journaled.filter((step) => step >= first && step <= last)
    assert.deepEqual(announced(1, 20), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    assert.deepEqual(announced(24, 30), [24, 25, 26, 27, 28, 29, 30])
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

  it('are of each epoch when each is to have one, however long the writing of the one before takes', async () => {
    const writerFor = (facts: RunFacts): CheckpointWriter => ({
      write: async (order) => delay(20).then(() => carryOutOrder(order, facts, new Date().toISOString(), realDisk)),
      close: async () => Promise.resolve(),
    })
    for (const journal of ['on', 'off'] as const) {
      const every = { kind: 'epoch' } as const
      const training = new DurableTraining(scratch, { writerFor, journal, every, keep: 100, lag: Infinity })
      await training.train()
      const steps = listCheckpoints(training.runDirectory).map(({ step }) => step)
      assert.deepEqual(steps, [40, 38, 30, 23, 15, 8, 0])
    }
  })

  it('stay when the name of a newer checkpoint cannot be written to the disk', async () => {
    const roots = new Set<number>()
    const disk: Disk = {
      ...realDisk,
      openSync: (file, flags) => {
        const descriptor = realDisk.openSync(file, flags)
        if (path.basename(file) === 'checkpoints') roots.add(descriptor)
        return descriptor
      },
      fsyncSync: (descriptor) => {
        if (roots.delete(descriptor) && training.journaled.length > 0) throw new Error('EIO')
        realDisk.fsyncSync(descriptor)
      },
    }
    const writerFor = (facts: RunFacts): CheckpointWriter => ({
      write: async (order) => Promise.resolve(carryOutOrder(order, facts, new Date().toISOString(), disk)),
      close: async () => Promise.resolve(),
    })
    const training = new DurableTraining(scratch, { disk, writerFor, keep: 1, haste: 1_000_000 })
    await training.train(25)
    const steps = listCheckpoints(training.runDirectory).map(({ step }) => step)
    assert.equal(steps.at(-1), 0)
    assert.ok(steps.length > 1, steps.join())
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

  it('are used as far as they can be read: no step is appended before what was replayed and cannot be read any more', async () => {
    const failing = { ...realDisk, reads: -1 }
    failing.readSync = (...[descriptor, ...rest]) => {
      if (--failing.reads === 0) throw Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' })
      return realDisk.readSync(descriptor, ...rest)
    }
    const training = new DurableTraining(scratch, { disk: failing })
    await training.train(25)
    // Its segment and the one before continue the checkpoint of step 10.
    rmSync(path.join(checkpointsIn(training.runDirectory), 'step-00000020'), { recursive: true })
    const isPart = ({ state }: RestoredState): boolean => state.step > 20 && state.step < 25
    let reads = 1
    do failing.reads = reads++
    while (!isPart(training.restore()!))
    failing.reads = reads - 1
    const every = { kind: 'steps', steps: 1_000 } as const
    const next = new DurableTraining(scratch, { disk: failing, every }, training.runDirectory)
    assert.ok(stepsOf((await next.train(28)).events)[0]! > 20)
    assert.equal(next.restore()!.state.step, 28)
    assert.equal((await next.train()).outcome!.result.weightsSha256, hash)
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
    await training.train(26)
    assert.deepEqual(readdirSync(checkpointsIn(training.runDirectory)), [path.basename(only!.directory)])
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

/** Its methods, without the object that they belong to. */
function bound(file: OpenFile): OpenFile {
  return {
    writev: async (...args) => file.writev(...args),
    truncate: async (length) => file.truncate(length),
    datasync: async () => file.datasync(),
    close: async () => file.close(),
  }
}

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
