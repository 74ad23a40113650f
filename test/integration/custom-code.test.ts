import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { EMBEDDED_FINGERPRINT } from '../../src/data/embedded.js'
import { packageRoot } from '../../src/shared/package-root.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-custom-'))
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const example = readFileSync(path.join(packageRoot, 'examples', 'custom-layer', 'model.mjs'), 'utf8')
const model = write('model.mjs', example)
const signals = write(
  'signals.csv',
  [
    'a,b,c,frequency',
    ...Array.from({ length: 300 }, (_, row) => `${row % 7},${row % 5},${row % 3},${1 + (row % 4)}`),
  ].join('\n'),
)
const RUN = ['--data', signals, '--model', model, '--loss', 'octaves', '--recipe', 'quick', '--json']
const SIZES = ['--batch-size', '32', '--shard-size', '8', '--learning-rate', '0.01', '--max-steps', '20', '--seed', '3']

function write(name: string, content: string): string {
  const file = path.join(scratch, name)
  writeFileSync(file, content)
  return file
}

function start(args: readonly string[], environment = tiny.environment): Launch {
  return new Launch(args, environment, true, process.execPath, path.join(scratch, 'runs'))
}

/** A machine that has TensorFlow, and nothing of this run. */
function otherMachine(name: string): NodeJS.ProcessEnv {
  const cache = path.join(scratch, name)
  const embedded = path.join('datasets', EMBEDDED_FINGERPRINT)
  mkdirSync(path.join(cache, 'datasets'), { recursive: true })
  for (const part of ['runtime', embedded])
    symlinkSync(path.join(tiny.environment['CONVOY_CACHE']!, part), path.join(cache, part))
  return { CONVOY_CACHE: cache }
}

async function problemOf(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<string> {
  const launch = start(args, environment)
  assert.equal(await launch.status(), 2, launch.stderr)
  return launch.stderr
}

describe('custom code on another machine', () => {
  it('is taken from its own disk, by its hash: a worker without it, or with another one, takes no part', async () => {
    const alone = await start(['train', ...RUN, ...SIZES, '--standalone']).result()
    const anywhere = ['--listen', '--admin-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0'])
    const coordinator = new Launch(['coordinator', ...RUN, ...SIZES, ...anywhere], tiny.environment)
    const { address } = await coordinator.announcement()
    const elsewhere = otherMachine('elsewhere')
    const join = ['worker', '--join', address]
    assert.match(
      await problemOf(join, elsewhere),
      /custom code, model \(sha256 \w{16}\), which this machine does not know/,
    )
    const changed = write('changed.mjs', example.replace('0.1)', '0.2)'))
    assert.match(
      await problemOf([...join, '--custom', changed], elsewhere),
      /which this machine does not know; name its file once/,
    )
    const worker = start([...join, '--custom', write('copy.mjs', example)], elsewhere)
    const { weightsSha256 } = await coordinator.result()
    assert.equal(await worker.status(), 0, worker.stderr)
    assert.equal(weightsSha256, alone['weightsSha256'])

    const run = String(alone['runDirectory'])
    const data = ['--data', signals, '--json']
    assert.match(await problemOf(['eval', run, ...data], otherMachine('third')), /does not know; name its file once/)
    const evaluation = await start(['eval', run, ...data, '--custom', model], otherMachine('fourth')).result()
    const own = await start(['eval', run, '--json']).result()
    assert.deepEqual(Object.keys(evaluation['metrics'] as Json), Object.keys(own['metrics'] as Json))
    assert.deepEqual(own['metrics'], (alone['test'] as Json)['metrics'])
  })

  it('that the run does not have is named before anything starts', async () => {
    const train = ['train', ...RUN, ...SIZES, '--standalone']
    assert.match(
      await problemOf([...train, '--loss', 'semitones']),
      /--loss semitones: there is no such loss; use .*octaves/,
    )
    const plain = write('plain.mjs', 'export default () => 1')
    assert.match(await problemOf([...train, '--custom', plain]), /plain\.mjs: it exports no custom code/)
    const missing = path.join(scratch, 'missing.mjs')
    assert.match(await problemOf([...train, '--custom', missing]), /missing\.mjs/)
  })
})
