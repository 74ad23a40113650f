import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { after, before, describe, it } from 'node:test'
import { pythonEnvironment } from '../../src/bench/python-environment.js'
import { namedTensors } from '../../src/durability/checkpoint-tensors.js'
import { listCheckpoints } from '../../src/durability/checkpoints.js'
import { readCheckpoint } from '../../src/durability/read-checkpoint.js'
import { SegmentReader } from '../../src/durability/segment-reader.js'
import { listSegments } from '../../src/durability/segments.js'
import type { NamedTensor } from '../../src/exports/encode-safetensors.js'
import { gradientLength } from '../../src/model/parameter-layout.js'
import { bytesOf } from '../../src/shared/bytes-of.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
let launch: Launch
let runDirectory = ''
after(() => {
  killLaunches()
  tiny.remove()
})

before(async () => {
  launch = new Launch(
    ['train', '--standalone', '--recipe', 'quick', '--data', tiny.directory, '--checkpoint-every', '5 steps'].concat(
      ...['--batch-size=32', '--shard-size=32', '--epochs=1000', '--precision=float32', '--seed=3'],
    ),
    tiny.environment,
    true,
  )
  // After the first epoch, so that there are best and last weights.
  await launch.untilMetrics((line) => line['kind'] === 'step' && Number(line['step']) > 40)
  ;({ runDirectory } = await launch.announcement())
})

async function checkpoint(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const command = new Launch(['checkpoint', ...args])
  const status = await command.status()
  return { status, stdout: command.stdout, stderr: command.stderr }
}

/** The unchanged Python examples of the page of the docs. */
function examples(): string[] {
  const page = readFileSync(path.join(packageRoot, 'docs', 'reference', 'checkpoints.md'), 'utf8')
  const found = Array.from(page.matchAll(/```python\n([^]*?)```/g), ([, text]) => text!)
  assert.equal(found.length, 2)
  return found
}

async function pythonOr(skip: TestContext): Promise<string | undefined> {
  try {
    const requirements = path.join(packageRoot, 'test', 'integration', 'safetensors', 'requirements.txt')
    return await pythonEnvironment('test', requirements, () => undefined)
  } catch (error) {
    skip.skip(`safetensors cannot be installed: ${(error as Error).message}`)
    return undefined
  }
}

/** The newest checkpoint of the run, and what is in it. */
function newest(): { directory: string; tensors: NamedTensor[] } {
  const { directory } = listCheckpoints(runDirectory)[0]!
  const { stored, manifest } = readCheckpoint(directory)
  return { directory, tensors: namedTensors(stored.tensors, manifest.description.model.layout) }
}

describe('a run that goes on', () => {
  it('has no damage, however often it is verified', async () => {
    for (let round = 0; round < 3; round++) {
      const { status, stdout, stderr } = await checkpoint('verify', runDirectory)
      assert.deepEqual([status, stderr], [0, ''])
      assert.match(stdout, /none is damaged/)
    }
  })

  it('loses no checkpoint to convoy checkpoint prune', async () => {
    const { status, stderr } = await checkpoint('prune', runDirectory, '--keep', '1')
    assert.equal(status, 2)
    assert.match(stderr, /belongs to a coordinator that runs/)
    assert.equal(listCheckpoints(runDirectory).length >= 3, true)
  })
})

describe('the files of a killed run', () => {
  before(async () => {
    launch.kill()
    await launch.status()
  })

  it('are verified by sha256sum', () => {
    const { status, stdout } = spawnSync('sha256sum', ['-c', 'SHA256SUMS'], {
      cwd: newest().directory,
      encoding: 'utf8',
    })
    assert.deepEqual([status, stdout], [0, 'manifest.json: OK\nstate.safetensors: OK\n'])
  })

  it("give Python's safetensors every tensor with its name, shape and values", async (context) => {
    const python = await pythonOr(context)
    if (python === undefined) return
    const { directory, tensors } = newest()
    const program = `
import hashlib, json
from safetensors.numpy import load_file
state = load_file('state.safetensors')
print(json.dumps({name: [list(t.shape), str(t.dtype), hashlib.sha256(t.tobytes()).hexdigest()] for name, t in state.items()}))`
    const read = JSON.parse(execFileSync(python, ['-c', program], { cwd: directory, encoding: 'utf8' })) as unknown
    const sha256 = (values: Float32Array): string => createHash('sha256').update(bytesOf(values)).digest('hex')
    const expected = tensors.map(({ name, shape, values }) => [name, [shape, 'float32', sha256(values)]] as const)
    assert.deepEqual(read, Object.fromEntries(expected))
    for (const vector of ['weights', 'best', 'last', 'optimizer/velocity'])
      assert.ok(
        expected.some(([name]) => name.startsWith(`${vector}/`)),
        vector,
      )
  })

  it('are read by the example of the docs', async (context) => {
    const python = await pythonOr(context)
    if (python === undefined) return
    const { directory, tensors } = newest()
    const lines = execFileSync(python, ['-c', examples()[0]!], { cwd: directory, encoding: 'utf8' }).trim().split('\n')
    assert.equal(lines.pop(), 'True')
    const expected = tensors.map(
      ({ name, shape }) => `${name} float32 (${shape.join(', ')}${shape.length === 1 ? ',' : ''})`,
    )
    assert.deepEqual(lines.sort(), expected.sort())
  })

  it('give the example of the docs every step of the journal', () => {
    const { file } = listSegments(runDirectory).at(-2)!
    const { manifest } = readCheckpoint(newest().directory)
    const reader = new SegmentReader(file, gradientLength(manifest.description.model.layout))
    const expected: number[][] = []
    for (const frame of reader.frames())
      expected.push(
        frame.kind === 'step'
          ? [frame.step, frame.details.workers, frame.vector.at(-2)!]
          : [frame.step, frame.result.accuracy!],
      )
    reader.close()
    assert.ok(expected.length >= 5)
    const output = execFileSync('python3', ['-c', examples()[1]!, file], { encoding: 'utf8' })
    const read = output.trim().split('\n')
    assert.deepEqual(
      read.map((line) => line.split(' ').map(Number)),
      expected,
    )
  })
})
