import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { COLOURS, ImageScratch, range } from '../support/image-folder.js'
import type { Json } from '../support/launch.js'

const scratch = new ImageScratch()
const environment = scratch.cache()
after(() => {
  scratch.remove()
})

interface Ended {
  readonly warnings: readonly string[]
  readonly result: Json
}

/** Trains for a step. */
function train(folder: string, ...flags: string[]): Ended {
  const program = path.join(packageRoot, 'bin', 'convoy.mjs')
  const fixed = [
    'train',
    '--standalone',
    '--recipe',
    'quick',
    '--json',
    '--runs-dir',
    path.join(scratch.directory, 'r'),
  ]
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...fixed, '--data', folder, ...flags], {
    encoding: 'utf8',
    env: { ...process.env, CONVOY_DEVICE: 'cpu', ...environment },
  })
  assert.equal(status, 0, stderr)
  // Later warnings concern workers, and depend on the load of this machine.
  const [beginning] = stderr.split(' parameters) on ')
  const warnings = beginning!.split('\n').filter((line) => line.startsWith('⚠ '))
  return { warnings, result: JSON.parse(stdout) as Json }
}

/** Flags that a warning recommends. */
function remedyOf(warning: string): string[] {
  return [...warning.matchAll(/(--[a-z-]+)(?: (\d+))?/g)].flatMap(([, flag, value]) => [
    flag!,
    ...(value === undefined ? [] : [value]),
  ])
}

describe('a run warns at its start', () => {
  it('that one step is many epochs, in one line with flags that fix it', async () => {
    const tiny = await scratch.folder('tiny', COLOURS, range(0, 10))
    const { warnings } = train(tiny, '--max-steps', '1')
    const [warning, ...others] = warnings.filter((line) => line.includes('batch'))
    assert.equal(
      warning,
      '⚠ A batch of 128 is more than the 21 images of the training split: every step is 6.1 epochs, and a shard of 32 ' +
        'holds images more than once. Use --batch-size 21 --shard-size 21 or less.',
    )
    assert.deepEqual(others, [])
    const cured = train(tiny, '--max-steps', '1', ...remedyOf(warning!))
    assert.deepEqual(
      cured.warnings.filter((line) => line.includes('batch')),
      [],
    )
    assert.equal(cured.result['samplesSeen'], 21)
  })

  it('that validation and test have too few images for reliable numbers', () => {
    const { warnings } = train(path.join(scratch.directory, 'tiny'), '--max-steps', '1')
    assert.deepEqual(
      warnings.filter((line) => line.includes('Only')),
      [
        '⚠ Only 5 images in the validation split, which chooses the best weights, and 4 images in the test split, which ' +
          'measures them: one image moves the accuracy by 25.0 %; 100 or more make a steady number.',
      ],
    )
  })

  it('that a split lacks classes, and recommends --stratified only where that helps', async () => {
    const uneven = await scratch.folder('uneven', { bird: COLOURS.bird }, range(0, 60))
    await scratch.folder('uneven', { cat: COLOURS.cat }, range(0, 6))
    await scratch.folder('uneven', { dog: COLOURS.dog }, range(0, 1))
    const missing = (seed: string, ...flags: string[]): string[] =>
      train(uneven, '--max-steps', '1', '--batch-size', '32', '--seed', seed, ...flags).warnings.filter((line) =>
        line.includes('has no image'),
      )
    assert.deepEqual(missing('3'), [
      '⚠ The training split has no image of dog, which the model cannot learn. Spread the classes evenly with --stratified.',
      '⚠ The validation split has no image of dog. Give more images of them.',
    ])
    assert.deepEqual(missing('5'), [
      '⚠ The validation split has no image of cat, dog. --stratified spreads the classes evenly; dog would still need more images.',
      '⚠ The test split has no image of dog, which the test does not measure. Give more images of them.',
    ])
    assert.deepEqual(missing('5', '--stratified'), [
      '⚠ The validation split has no image of dog. Give more images of them.',
      '⚠ The test split has no image of dog, which the test does not measure. Give more images of them.',
    ])
  })

  it('only about problems, and prints nothing without one', async () => {
    const enough = await scratch.folder('enough', COLOURS, range(0, 230))
    assert.deepEqual(train(enough, '--max-steps', '1').warnings, [])
  })

  it('and trains on as few as four images', async () => {
    const four = await scratch.folder('four', { bird: COLOURS.bird, cat: COLOURS.cat }, [0, 1])
    const { warnings, result } = train(four, '--max-steps', '1')
    assert.match(warnings.join('\n'), /more than the 2 images of the training split: every step is 64 epochs/)
    assert.equal((result['test'] as Json)['samples'], 1)
    assert.equal(train(four, '--max-steps', '1', ...remedyOf(warnings[0]!)).result['samplesSeen'], 2)
  })
})
