import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { checkpointAt, checkpointsIn, listCheckpoints } from '../../src/durability/checkpoints.js'
import { readCheckpoint } from '../../src/durability/read-checkpoint.js'
import { listSegments, segmentAt } from '../../src/durability/segments.js'
import { takeRun } from '../../src/reporting/run-lock.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { DurableTraining } from '../support/durable-training.js'
import type { Json } from '../support/launch.js'

const runs = mkdtempSync(path.join(os.tmpdir(), 'convoy-checkpoint-'))
after(() => {
  rmSync(runs, { recursive: true, force: true })
})

interface Output {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function checkpoint(...args: string[]): Output {
  return spawnSync(process.execPath, [path.join(packageRoot, 'bin', 'convoy.mjs'), 'checkpoint', ...args], {
    encoding: 'utf8',
  })
}

function json({ stdout }: Output): Json {
  return JSON.parse(stdout) as Json
}

/** A run that was broken off after step 25: checkpoints 0, 10 and 20, and a journal segment from each. */
async function brokenOff(): Promise<DurableTraining> {
  const training = new DurableTraining(runs)
  await training.train(25)
  assert.deepEqual(
    listCheckpoints(training.runDirectory).map(({ step }) => step),
    [20, 10, 0],
  )
  return training
}

function flip(file: string, index: number): void {
  const bytes = readFileSync(file)
  bytes[index]! ^= 1
  writeFileSync(file, bytes)
}

function frameStarts(segment: Buffer): number[] {
  const starts: number[] = []
  for (let at = 60; at < segment.length; at += 20 + segment.readUInt32LE(at + 4)) starts.push(at)
  return starts
}

/** Changes a file of a checkpoint as a program would that then writes its sums again. */
function rewrite(directory: string, name: string, change: (bytes: Buffer) => Buffer): void {
  const file = path.join(directory, name)
  writeFileSync(file, change(readFileSync(file)))
  const sums = ['manifest.json', 'state.safetensors'].map((part) => {
    const sha256 = createHash('sha256')
      .update(readFileSync(path.join(directory, part)))
      .digest('hex')
    return `${sha256}  ${part}\n`
  })
  writeFileSync(path.join(directory, 'SHA256SUMS'), sums.join(''))
}

const training = await brokenOff()
const run = training.runDirectory

describe('convoy checkpoint list', () => {
  it('lists the checkpoints of a run, the newest first, with position and validations', () => {
    const { checkpoints, damaged, journal } = json(checkpoint('list', run, '--json')) as unknown as {
      checkpoints: { step: number; epoch: number; bytes: number; last: { step: number; accuracy: number } | null }[]
      damaged: unknown[]
      journal: { segments: number; bytes: number }
    }
    assert.deepEqual(
      checkpoints.map(({ step, last }) => [step, last?.step]),
      [
        [20, 15],
        [10, 8],
        [0, undefined],
      ],
    )
    assert.deepEqual([damaged, journal.segments], [[], 3])
    const { manifest } = readCheckpoint(checkpointAt(run, 20))
    assert.equal(checkpoints[0]!.epoch, manifest.position.epoch)
    assert.equal(checkpoints[0]!.last!.accuracy, manifest.values.last!.validation.accuracy)
    const { status, stdout } = checkpoint('list', run)
    assert.equal(status, 0)
    assert.match(stdout, /3 checkpoints, 3 journal segments/)
    assert.match(stdout, /│ 20 +│ 2\.67 +│ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC │/)
    assert.match(stdout, /npx convoy checkpoint verify /)
  })

  it('takes the newest run with checkpoints, and a name under --runs-dir', async () => {
    const root = mkdtempSync(path.join(runs, 'root-'))
    for (const name of ['20260101T000000Z_a', '20260102T000000Z_b'])
      cpSync(run, path.join(root, name), { recursive: true })
    mkdirSync(path.join(root, '20260103T000000Z_empty'))
    writeFileSync(path.join(root, 'zzz'), '')
    const newest = json(checkpoint('list', '--runs-dir', root, '--json'))
    assert.equal(newest['runDirectory'], path.join(root, '20260102T000000Z_b'))
    const named = json(checkpoint('list', '20260101T000000Z_a', '--runs-dir', root, '--json'))
    assert.equal(named['runDirectory'], path.join(root, '20260101T000000Z_a'))
  })

  it('names a checkpoint whose manifest is damaged, beside the others', async () => {
    const { runDirectory } = await brokenOff()
    flip(path.join(checkpointAt(runDirectory, 10), 'manifest.json'), 2)
    const { status, stdout } = checkpoint('list', runDirectory)
    assert.equal(status, 0)
    assert.match(stdout, /2 checkpoints[^]*│ 20 [^]*✖ .*step-00000010.* is damaged/)
  })
})

describe('convoy checkpoint show', () => {
  it('shows position, vectors and shapes of the newest checkpoint of a run, or of the one that is named', () => {
    const shown = json(checkpoint('show', run, '--json'))
    assert.equal(shown['directory'], checkpointAt(run, 20))
    assert.deepEqual(shown['vectors'], { weights: 6, best: 6, last: 6, 'optimizer/velocity': 4 })
    assert.deepEqual(shown['tensors'], [
      { name: 'dense/kernel', shape: [2, 2], trainable: true },
      { name: 'norm/mean', shape: [2], trainable: false },
    ])
    const { status, stdout } = checkpoint('show', checkpointAt(run, 10))
    assert.equal(status, 0)
    for (const wanted of [
      /│ step +│ 10, epoch 1\.33, 80 samples seen/,
      /│ device +│ f /,
      /│ began with +│ weights of its own/,
      new RegExp(readCheckpoint(checkpointAt(run, 10)).manifest.weightsSha256),
      /│ optimizer\/velocity +│ 4 +│ trainable weights/,
      /│ dense\/kernel +│ \[2, 2\] +│ yes/,
    ])
      assert.match(stdout, wanted)
  })
})

describe('convoy checkpoint verify', () => {
  it('finds nothing in an undamaged run', () => {
    const { status, stdout, stderr } = checkpoint('verify', run)
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /^step-00000020: whole, .*\n[^]*^00000020\.journal: whole, steps 21 to 25, [^;]*$/m)
    assert.match(stdout, /3 checkpoints and 3 journal segments: none is damaged/)
  })

  it('names each damaged file, and exits 1', async () => {
    const { runDirectory } = await brokenOff()
    const at = (step: number, name: string): string => path.join(checkpointAt(runDirectory, step), name)
    flip(at(20, 'state.safetensors'), readFileSync(at(20, 'state.safetensors')).length - 1)
    rmSync(at(10, 'manifest.json'))
    flip(segmentAt(runDirectory, 0), 200)
    const { status, stdout, stderr } = checkpoint('verify', runDirectory)
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^✖ .*step-00000020 is damaged.*\n✖ .*step-00000010.*manifest\.json.*\n✖ .*00000000\.journal: .*after step [01]\.\n$/,
    )
    assert.match(stdout, /^step-00000000: whole/)
    assert.match(stdout, /3 checkpoints and 3 journal segments: 3 damaged/)
    const only = checkpoint('verify', checkpointAt(runDirectory, 10), '--json')
    assert.equal(only.status, 1)
    assert.equal(json(only)['damaged'], 1)
    assert.equal(checkpoint('verify', checkpointAt(runDirectory, 0)).status, 0)
  })

  it('reports a frame at the end that a killed coordinator left unfinished, which is no damage; in an older segment it is', async () => {
    const { runDirectory } = await brokenOff()
    const [, middle, newest] = listSegments(runDirectory)
    truncateSync(newest!.file, newest!.bytes - 7)
    const unfinished = checkpoint('verify', runDirectory)
    assert.deepEqual([unfinished.status, unfinished.stderr], [0, ''])
    assert.match(unfinished.stdout, /00000020\.journal: whole, steps 21 to 24, .*unfinished frame/)
    truncateSync(middle!.file, middle!.bytes - 7)
    const damaged = checkpoint('verify', runDirectory)
    assert.equal(damaged.status, 1)
    assert.match(damaged.stderr, /00000010\.journal: it is damaged or cut off .* after step 19/)
  })

  it('finds any changed byte of the newest segment', async () => {
    const { runDirectory } = await brokenOff()
    const { file, bytes } = listSegments(runDirectory).at(-1)!
    const last = frameStarts(readFileSync(file)).at(-1)!
    // Of the header, of a frame's length, of its vector, of the last frame's length and CRC.
    for (const index of [20, 60 + 6, 60 + 90, last + 4, bytes - 1]) {
      flip(file, index)
      assert.equal(checkpoint('verify', runDirectory).status, 1, `byte ${index}`)
      flip(file, index)
    }
  })

  it('finds the checkpoint of another run, and one of another step', async () => {
    const { runDirectory } = await brokenOff()
    const other = new DurableTraining(runs, { name: 'other' })
    await other.train(15)
    cpSync(checkpointAt(other.runDirectory, 10), checkpointAt(runDirectory, 30), { recursive: true })
    cpSync(checkpointAt(runDirectory, 10), checkpointAt(runDirectory, 15), { recursive: true })
    const { status, stderr } = checkpoint('verify', runDirectory)
    assert.equal(status, 1)
    assert.match(
      stderr,
      /step-00000030 belongs to another run, other; this one began as tiny.*\n.*step-00000015 has the checkpoint of step 10/,
    )
  })

  it('finds a segment that does not continue its checkpoint', async () => {
    const { runDirectory } = await brokenOff()
    cpSync(segmentAt(runDirectory, 10), segmentAt(runDirectory, 20))
    const { status, stderr } = checkpoint('verify', runDirectory)
    assert.equal(status, 1)
    assert.match(stderr, /00000020\.journal does not continue the checkpoint of step 20/)
  })
})

describe('convoy checkpoint prune', () => {
  it('removes nothing while a coordinator owns the run', async () => {
    const lock = await takeRun(run)
    try {
      const { status, stderr } = checkpoint('prune', run, '--keep', '1')
      assert.equal(status, 2)
      assert.match(stderr, /belongs to a coordinator that runs/)
    } finally {
      lock.release()
    }
    assert.equal(listCheckpoints(run).length, 3)
    assert.equal(listSegments(run).length, 3)
  })

  it('removes old checkpoints with their journal and unfinished ones, after which the run ends with the same weights', async () => {
    const pruned = await brokenOff()
    mkdirSync(path.join(checkpointsIn(pruned.runDirectory), '.new-step-00000030-abcd'))
    const best = readCheckpoint(checkpointAt(pruned.runDirectory, 20)).manifest.values.best!.step
    assert.ok(![0, 10].includes(best))
    const answer = json(checkpoint('prune', pruned.runDirectory, '--keep', '1', '--json'))
    assert.deepEqual(answer['checkpoints'], ['step-00000010', 'step-00000000'])
    assert.deepEqual(answer['journal'], ['00000000.journal', '00000010.journal'])
    assert.deepEqual(answer['kept'], [20])
    assert.ok(Number(answer['bytesFreed']) > 1_000)
    assert.ok(!existsSync(path.join(checkpointsIn(pruned.runDirectory), '.new-step-00000030-abcd')))
    const { outcome } = await pruned.train()
    const whole = await new DurableTraining(runs).train()
    assert.equal(outcome!.result.weightsSha256, whole.outcome!.result.weightsSha256)
  })

  it('keeps the checkpoint of the best validation', async () => {
    const { runDirectory } = await brokenOff()
    const newest = checkpointAt(runDirectory, 20)
    rewrite(newest, 'manifest.json', (bytes) => {
      const manifest = JSON.parse(bytes.toString()) as { values: { best: { step: number } } }
      manifest.values.best.step = 10
      return Buffer.from(JSON.stringify(manifest))
    })
    const { stdout } = checkpoint('prune', runDirectory, '--keep', '1')
    assert.match(
      stdout,
      /removed step-00000000, 00000000\.journal; [\d.]+ k?B are free again\.\n.*: step 20, step 10\.\n$/,
    )
  })

  it('counts no damaged checkpoint, and removes nothing when none is whole', async () => {
    const { runDirectory } = await brokenOff()
    flip(path.join(checkpointAt(runDirectory, 20), 'state.safetensors'), 100)
    const { status, stdout, stderr } = checkpoint('prune', runDirectory, '--keep', '1')
    assert.equal(status, 0)
    assert.match(stderr, /step-00000020 is damaged/)
    assert.match(stdout, /removed step-00000000, [^]*: step 20, step 10\./)
    flip(path.join(checkpointAt(runDirectory, 10), 'state.safetensors'), 100)
    const none = checkpoint('prune', runDirectory, '--keep', '1')
    assert.equal(none.status, 2)
    assert.match(none.stderr, /Nothing was removed/)
    assert.equal(listCheckpoints(runDirectory).length, 2)
  })
})

describe('convoy checkpoint diff', () => {
  it('finds a run equal to another one with the same settings, for all its names and times', async () => {
    const other = await brokenOff()
    const { status, stdout, stderr } = checkpoint('diff', run, other.runDirectory)
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /are equal\.\n7 tensors compared: equal, bit for bit\.\n$/)
  })

  it('shows position and first tensor of two steps, with the largest difference', () => {
    const [a, b] = [10, 20].map((step) => checkpointAt(run, step))
    const answer = checkpoint('diff', a!, b!, '--json')
    assert.equal(answer.status, 1)
    const { facts, first } = json(answer) as unknown as {
      facts: { path: string; a: unknown; b: unknown }[]
      first: Json & { largest: Json }
    }
    assert.deepEqual(facts[0], { path: 'position.step', a: 10, b: 20 })
    const [before, later] = [a!, b!].map((directory) => readCheckpoint(directory).stored.tensors['weights']!)
    const differences = Array.from(before!.subarray(0, 4), (value, index) => Math.abs(value - later![index]!))
    const largest = Math.max(...differences)
    const place = differences.indexOf(largest)
    assert.deepEqual(first, {
      ...{
        name: 'weights/dense/kernel',
        shapes: [
          [2, 2],
          [2, 2],
        ],
        values: 4,
      },
      largest: { index: [place >> 1, place & 1], a: before![place], b: later![place], difference: largest },
    })
    assert.match(
      checkpoint('diff', a!, b!).stdout,
      /│ position\.step +│ 10 +│ 20 [^]*The first is weights\/dense\/kernel \[2, 2\]/,
    )
  })

  it('shows a changed setting, a single bit of a tensor, a NaN, and a zero of the other sign', async () => {
    const { runDirectory } = await brokenOff()
    const [own, changed] = [checkpointAt(run, 20), checkpointAt(runDirectory, 20)]
    const diff = (): Json & { facts: Json[]; first: (Json & { largest: Json }) | null } =>
      json(checkpoint('diff', own, changed, '--json')) as ReturnType<typeof diff>
    rewrite(changed, 'manifest.json', (bytes) =>
      Buffer.from(bytes.toString().replace('"momentum": 0.9', '"momentum": 0.8')),
    )
    const setting = diff()
    assert.deepEqual(setting.facts, [{ path: 'config.optimizer.momentum', a: 0.9, b: 0.8 }])
    assert.equal(setting.first, null)
    rewrite(changed, 'state.safetensors', (bytes) => {
      bytes[bytes.length - 4]! ^= 1
      return bytes
    })
    const bit = diff().first!
    assert.equal(bit['name'], 'optimizer/velocity/dense/kernel')
    assert.deepEqual(bit.largest['index'], [1, 1])
    assert.ok(Number(bit.largest['difference']) > 0)
    const put = (directory: string, value: number): void =>
      rewrite(directory, 'state.safetensors', (bytes) => {
        bytes.writeFloatLE(value, bytes.length - 4)
        return bytes
      })
    put(changed, NaN)
    const { largest } = diff().first!
    assert.deepEqual([largest['b'], largest['difference']], ['NaN', 'Infinity'])
    put(own, 0)
    put(changed, -0)
    const zero = diff().first!
    assert.deepEqual([zero['values'], zero.largest['difference']], [1, 0])
  })
})

describe('convoy checkpoint', () => {
  it('exits 2 and names a run, checkpoint or flag that is wrong', () => {
    const empty = mkdtempSync(path.join(runs, 'empty-'))
    for (const [args, wanted] of [
      [['list', 'nothing', '--runs-dir', runs], /nothing: there is no such run or checkpoint/],
      [['show', empty], /has no checkpoints/],
      [['verify', '--runs-dir', empty], /No run under .* has a checkpoint/],
      [['list', checkpointAt(run, 10)], /is a checkpoint: name its run/],
      [['prune', run], /--keep/],
      [['prune', run, '--keep', '0'], /--keep.* from 1 to 1000/],
      [['prune', checkpointAt(run, 10), '--keep', '1'], /is a checkpoint: name its run/],
      [['diff', run], /argument/],
    ] as const) {
      const { status, stderr } = checkpoint(...args)
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, wanted)
      assert.doesNotMatch(stderr, /\n\s+at /)
    }
  })
})
