import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { COLOURS, ImageScratch, range } from '../support/image-folder.js'
import type { Json } from '../support/launch.js'

const scratch = new ImageScratch()
const environment = scratch.cache()
const { bird, cat, dog } = COLOURS
let run = ''
let result: Json = {}
after(() => {
  scratch.remove()
})

function convoy(
  args: readonly string[],
  cache = environment,
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [path.join(packageRoot, 'bin', 'convoy.mjs'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, CONVOY_DEVICE: 'cpu', ...cache },
  })
}

function evaluate(...args: string[]): Json & { stderr: string } {
  const { status, stdout, stderr } = convoy(['eval', run, '--json', ...args])
  assert.equal(status, 0, stderr)
  return { ...(JSON.parse(stdout) as Json), stderr }
}

/** The run has 40 images of each class: 84 in train, 18 in validation, 18 in test. */
before(async () => {
  const animals = await scratch.folder('animals', COLOURS, range(0, 40))
  const flags = ['--standalone', '--recipe', 'quick', '--max-steps', '24', '--batch-size', '32', '--json']
  const runs = ['--runs-dir', path.join(scratch.directory, 'runs')]
  const { status, stdout, stderr } = convoy(['train', '--data', animals, ...flags, ...runs])
  assert.equal(status, 0, stderr)
  result = JSON.parse(stdout) as Json
  run = result['runDirectory'] as string
})

describe('convoy eval on another data set', () => {
  it('evaluates all images, not only a test split', async () => {
    const fresh = await scratch.folder('fresh', COLOURS, range(100, 7))
    const { samples, split, accuracy, confusion, classNames, dataset, overlap, stderr } = evaluate('--data', fresh)
    assert.deepEqual([samples, split, accuracy], [21, 'all', 1])
    assert.deepEqual(confusion, [
      [7, 0, 0],
      [0, 7, 0],
      [0, 0, 7],
    ])
    assert.deepEqual(classNames, ['bird', 'cat', 'dog'])
    const { name, fingerprint, isTrainedOn } = dataset as Json
    assert.deepEqual([name, isTrainedOn], ['fresh', false])
    assert.match(fingerprint as string, /^[0-9a-f]{64}$/)
    assert.notEqual(fingerprint, result['datasetFingerprint'])
    assert.deepEqual(overlap, { training: 0, validation: 0 })
    assert.doesNotMatch(stderr, /training split/)
    const printed = convoy(['eval', run, '--data', fresh]).stdout
    assert.match(
      printed,
      /^all: accuracy 100\.0 %, loss \d\.\d{4} on 21 images of fresh \(fingerprint [0-9a-f]{16}, not the/m,
    )
  })

  it('splits it with the seed of the run when --split is given, and reports that', async () => {
    const folder = path.join(scratch.directory, 'fresh')
    const parts = ['train', 'validation', 'test'].map(
      (split) => evaluate('--data', folder, '--split', split)['samples'],
    )
    assert.deepEqual(parts, [14, 4, 3])
    assert.match(
      convoy(['eval', run, '--data', folder, '--split', 'test']).stdout,
      /The test split of fresh was made with the run's seed 1; --split all measures all images/,
    )
  })

  it('warns about training images, recognised by content in any order', async () => {
    const fileOf = (index: number): string => String(9999 - index)
    const renumbered = await scratch.folder('renumbered', COLOURS, range(0, 40), { fileOf })
    const { samples, overlap, dataset, stderr } = evaluate('--data', renumbered)
    assert.equal((dataset as Json)['isTrainedOn'], false)
    assert.equal(samples, 120)
    assert.deepEqual(overlap, { training: 84, validation: 18 })
    assert.match(stderr, /⚠ 84 of the 120 images are also in the run's training split/)
    assert.match(stderr, /⚠ 18 of the 120 images are also in the run's validation split, which chose/)
  })

  it('warns that overlap could not be checked when the images of the run are missing', async () => {
    const folder = path.join(scratch.directory, 'fresh')
    const { status, stdout, stderr } = convoy(['eval', run, '--data', folder, '--json'], scratch.cache('other'))
    assert.equal(status, 0, stderr)
    assert.equal((JSON.parse(stdout) as Json)['overlap'], null)
    assert.match(stderr, /Overlap with the training images could not be checked: the data set animals of the run/)
  })

  it('evaluates as few as two images', async () => {
    const few = await scratch.folder('few', { bird, cat }, [200])
    assert.equal(evaluate('--data', few)['samples'], 2)
    const { status, stderr } = convoy(['eval', run, '--data', few, '--split', 'test'])
    assert.equal(status, 2)
    assert.match(stderr, /✖ --split test: few has 2 images, too few to split; use all of them with --split all/)
    assert.match(convoy(['data', 'info', few]).stdout, /split .*1 train, 1 validation, 0 test/)
  })
})

describe('classes of another data set', () => {
  it('are matched by name when the data set lacks some of the model', async () => {
    const some = await scratch.folder('some', { bird, dog }, range(100, 5))
    const { samples, accuracy, confusion, classNames, classesWithoutSamples } = evaluate('--data', some)
    assert.deepEqual([samples, accuracy], [10, 1])
    assert.deepEqual(classNames, ['bird', 'cat', 'dog'])
    assert.deepEqual(classesWithoutSamples, ['cat'])
    assert.deepEqual(confusion, [
      [5, 0, 0],
      [0, 0, 0],
      [0, 0, 5],
    ])
    const { stdout } = convoy(['eval', run, '--data', some])
    assert.match(stdout, /The measured images have none of these classes of the model: cat\./)
    assert.match(stdout, /│ cat +│ – +/)
  })

  it('are rejected when renamed, even if their number is equal', async () => {
    for (const [name, classes, message] of [
      ['renamed', { bird, cat, hound: dog }, /does not know the class hound\. Its classes are bird, cat, dog\./],
      ['capital', { Cat: cat, bird, dog }, /does not know the class Cat \(did you mean "cat"\?\)\. Its classes/],
      ['extra', { bird, cat, dog, eel: bird }, /does not know the class eel\. Its classes are bird, cat, dog\./],
      ['others', { x: bird, y: cat, z: dog }, /does not know 3 of the classes: x, y, z\. Its classes/],
    ] as const) {
      const folder = await scratch.folder(name, classes, [100, 101])
      for (const command of ['eval', 'inspect']) {
        const { status, stdout, stderr } = convoy([command, run, '--data', folder])
        assert.equal(status, 2, `${command} ${name}: ${stdout}`)
        assert.equal(stdout, '')
        assert.match(stderr, /✖ --data .*: the model/)
        assert.match(stderr, message)
      }
    }
  })

  it('are matched by name in convoy inspect', async () => {
    const folder = path.join(scratch.directory, 'some')
    const { status, stdout, stderr } = convoy(['inspect', run, '--data', folder])
    assert.equal(status, 0, stderr)
    const inspection = JSON.parse(stdout) as Json & { samples: Json[]; dataset: Json }
    assert.deepEqual([inspection['examined'], inspection['split'], inspection['mistakeCount']], [10, 'all', 0])
    assert.deepEqual(new Set(inspection.samples.map(({ label }) => label)), new Set([0, 2]))
    assert.deepEqual(inspection['classNames'], ['bird', 'cat', 'dog'])
    assert.equal(inspection.dataset['name'], 'some')
  })

  it('are checked after the image size, whose error names a remedy that works', async () => {
    const large = await scratch.folder('large', { bird, cat }, [300, 301], { side: 24 })
    const { status, stderr } = convoy(['eval', run, '--data', large])
    assert.equal(status, 2)
    assert.match(stderr, /images are 24 high and 24 wide, RGB, and the model takes 16 high and 16 wide, RGB/)
    const remedy = /convoy (data import) <path> (--size \S+)/.exec(stderr)!
    const words = remedy.slice(1).flatMap((part) => part.split(' '))
    assert.equal(convoy([...words, large, '--name', 'scaled']).status, 0)
    assert.equal(evaluate('--data', 'scaled')['samples'], 4)
  })
})

describe('the weights of a reported number', () => {
  interface Weights {
    readonly best: { readonly step: number; readonly sha256: string }
    readonly last: { readonly step: number; readonly sha256: string }
  }

  it('are named in the result and at the end of metrics.jsonl, and used by eval and predict', () => {
    const kept = JSON.parse(readFileSync(path.join(run, 'result.json'), 'utf8')) as Json & { weights: Weights }
    const { weights } = kept
    assert.deepEqual(result['weights'], weights)
    assert.equal(weights.last.sha256, kept['weightsSha256'])
    assert.equal(weights.best.step, kept['bestStep'])
    const lines = readFileSync(path.join(run, 'metrics.jsonl'), 'utf8').trim().split('\n')
    assert.deepEqual((JSON.parse(lines.at(-1)!) as Json)['weights'], weights)
    for (const name of ['best', 'last'] as const) {
      const evaluated = evaluate('--weights', name)
      assert.deepEqual(
        [evaluated['weights'], evaluated['step'], evaluated['weightsSha256']],
        [name, weights[name].step, weights[name].sha256],
      )
      const weightsLine = new RegExp(
        `^weights: ${name}, step ${weights[name].step}, sha256 ${weights[name].sha256}$`,
        'm',
      )
      assert.match(convoy(['eval', run, '--weights', name]).stdout, weightsLine)
      const image = path.join(scratch.directory, 'animals', 'cat', '0001.png')
      assert.match(convoy(['predict', run, image, '--weights', name]).stdout, weightsLine)
    }
  })

  it('have no name when a saved model is given by its own directory', () => {
    const { weights } = result as { weights: Weights }
    const last = path.join(run, 'model', 'last')
    const { status, stdout, stderr } = convoy(['eval', last, '--json'])
    assert.equal(status, 0, stderr)
    const evaluated = JSON.parse(stdout) as Json
    assert.deepEqual([evaluated['weights'], evaluated['weightsSha256']], [null, weights.last.sha256])
    for (const command of [['eval'], ['inspect'], ['predict', path.join(scratch.directory, 'animals', 'cat')]]) {
      const rejected = convoy([command[0]!, last, ...command.slice(1), '--weights', 'best'])
      assert.equal(rejected.status, 2)
      assert.match(rejected.stderr, /✖ --weights best: .* is a saved model and holds one set of weights/)
    }
  })

  it('determine whether the report uses an existing inspection.json', () => {
    const foreign = ['--data', path.join(scratch.directory, 'fresh'), '--split', 'test']
    const kept = path.join(run, 'inspection.json')
    assert.equal(convoy(['inspect', run, ...foreign, '--out', kept]).status, 0)
    mkdirSync(path.join(scratch.directory, 'reports'))
    const report = convoy(['report', run, '--out', path.join(scratch.directory, 'reports', 'report.html')])
    assert.equal(report.status, 0, report.stderr)
    const { examined, dataset } = JSON.parse(readFileSync(kept, 'utf8')) as Json & { dataset: Json }
    assert.deepEqual([examined, dataset['name']], [18, 'animals'])
  })
})
