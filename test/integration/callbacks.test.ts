import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { listCheckpoints } from '../../src/durability/checkpoints.js'
import { readMetrics } from '../../src/reporting/sinks/metrics-file.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-callbacks-'))
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const STEPS = 16
const RUN = ['train', '--recipe', 'quick', '--data', tiny.directory, '--seed', '5', '--json', '--set', 'batchSize=256']
const GUIDE = readFileSync(path.join(packageRoot, 'docs', 'guides', 'callbacks.md'), 'utf8')
const runs = path.join(scratch, 'runs')

function write(name: string, content: string): string {
  const file = path.join(scratch, name)
  writeFileSync(file, content)
  return file
}

function start(args: readonly string[]): Launch {
  return new Launch(args, tiny.environment, true, process.execPath, runs)
}

function ratesOf(runDirectory: unknown): number[] {
  return readMetrics(String(runDirectory)).flatMap((line) => (line.kind === 'step' ? [line.learningRate] : []))
}

/** Its third answer depends on what the first two had. */
const counting = write(
  'counting.mjs',
  `export const custom = () => ({
  callbacks: (saved) => {
    let sum = saved ?? 0
    return {
      onStep({ step, loss }) {
        sum += loss
        return step % 3 === 0 ? { learningRateFactor: 1 / (1 + sum / 100) } : undefined
      },
      onEpoch({ validation }) {
        sum += validation.accuracy
      },
      state: () => sum,
    }
  },
})
`,
)

describe('docs/guides/callbacks.md', () => {
  it('has a module that trains', async () => {
    const module = write('guide.mjs', /```js\n([^]*?)```/.exec(GUIDE)![1]!)
    const flags = ['--custom', module, '--max-steps', '5', '--standalone']
    const { steps, stoppedBy } = await start([...RUN, ...flags]).result()
    assert.deepEqual([steps, stoppedBy], [5, undefined])
  })

  it('has settings of a plateau, of which a run without validation warns', async () => {
    const settings = [...GUIDE.matchAll(/--set (plateau\.\w+=[\d.]+)(?=.*--set)/g)].flatMap(([, one]) => [
      '--set',
      one!,
    ])
    assert.ok(settings.length >= 2)
    const launch = start([...RUN, ...settings, '--set', 'validationSamples=0', '--max-steps', '1', '--standalone'])
    await launch.result()
    assert.match(launch.stderr, /⚠ plateau is set, but nothing is validated: it never reduces the learning rate/)
  })
})

describe('callbacks of a module', () => {
  let whole: Json = {}
  before(async () => {
    whole = await start([...RUN, '--custom', counting, '--max-steps', `${STEPS}`, '--workers', '1']).result()
  })

  it('give the same rates and weights on other numbers of workers, and in a run that goes on', async () => {
    const plain = await start([...RUN, '--max-steps', `${STEPS}`, '--standalone']).result()
    const rates = ratesOf(whole['runDirectory'])
    assert.equal(rates.length, STEPS)
    assert.deepEqual(rates.slice(0, 3), ratesOf(plain['runDirectory']).slice(0, 3))
    assert.ok(rates[3]! < ratesOf(plain['runDirectory'])[3]!)
    const first = await start([...RUN, '--custom', counting, '--max-steps', '7', '--standalone']).result()
    const resume = ['train', '--resume', String(first['runDirectory']), '--max-steps', `${STEPS}`, '--workers', '2']
    const second = await start([...resume, '--json']).result()
    assert.equal(second['weightsSha256'], whole['weightsSha256'])
    assert.deepEqual(ratesOf(second['runDirectory']), rates)
  })

  it('end the run', async () => {
    const module = write(
      'stop.mjs',
      'export const custom = () => ({ callbacks: { onStep: ({ step }) => ({ stop: step === 2 }) } })\n',
    )
    const launch = start([...RUN, '--custom', module, '--standalone'])
    const { steps, stoppedBy } = await launch.result()
    assert.deepEqual([steps, stoppedBy], [2, 'callback'])
    assert.match(launch.stderr, /Stopped early by a callback of stop, after step 2\./)
  })

  it('that fail end the run with their name and leave the last checkpoint, from which they fail again', async () => {
    const module = write(
      'fail.mjs',
      `export const custom = () => ({ callbacks: { onStep({ step }) { if (step === 3) throw new Error('no luck') } } })\n`,
    )
    const launch = start([...RUN, '--custom', module, '--name', 'failing', '--checkpoint-every', '2 steps'])
    assert.equal(await launch.status(), 2, launch.stderr)
    const problem = /callbacks\.onStep of fail failed after step 3: no luck\. Correct the module; `convoy train --fork/
    assert.match(launch.stderr, problem)
    const runDirectory = /Run directory (\S+);/.exec(launch.stderr)![1]!
    assert.deepEqual(
      listCheckpoints(runDirectory).map(({ step }) => step),
      [2, 0],
    )
    const again = start(['train', '--resume', runDirectory])
    assert.equal(await again.status(), 2, again.stderr)
    assert.match(again.stderr, problem)
  })

  it('that are wrong are reported before anything starts', async () => {
    for (const [name, callbacks, problem] of [
      ['keys', '{ onBatch() {} }', /custom\.callbacks has onBatch; it may have onStep, onEpoch, state/],
      ['number', '5', /custom\.callbacks is no object of functions/],
      ['throws', '() => { throw new Error("no idea") }', /custom\.callbacks of throws cannot be made: no idea/],
    ] as const) {
      const module = write(`${name}.mjs`, `export const custom = () => ({ callbacks: ${callbacks} })\n`)
      const launch = start([...RUN, '--custom', module, '--standalone'])
      assert.equal(await launch.status(), 2, launch.stderr)
      assert.match(launch.stderr, problem)
    }
  })
})
