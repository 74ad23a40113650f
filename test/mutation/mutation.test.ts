import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { withMutation } from './mutation.js'
import { NUMBER_MUTATIONS } from './numbers.js'
import { SCHEDULER_MUTATIONS } from './scheduler.js'
import { STORAGE_MUTATIONS } from './storage.js'

/** A seed whose ten faults take seconds, because none of their test files builds TensorFlow graphs for minutes. */
const [SAMPLE, SEED] = [10, 718]
const MAIN = path.join(packageRoot, 'dist', 'test', 'mutation', 'main.js')

describe('npm run mutation-test', () => {
  it('has faults with unique names that fit the present code', () => {
    const mutations = [...SCHEDULER_MUTATIONS, ...STORAGE_MUTATIONS, ...NUMBER_MUTATIONS]
    for (const mutation of mutations)
      withMutation(readFileSync(path.join(packageRoot, 'dist', 'src', mutation.file), 'utf8'), mutation)
    assert.equal(new Set(mutations.map(({ name }) => name)).size, mutations.length)
    for (const { name, tests } of NUMBER_MUTATIONS)
      for (const test of tests) {
        const [file] = test.split(' / ')
        assert.ok(existsSync(path.join(packageRoot, 'test', `${file}.test.ts`)), `${name}: ${test}`)
      }
  })

  it('catches ten faults in the numbers, drawn with a seed', () => {
    const args = ['--numbers', '--sample', `${SAMPLE}`, '--seed', `${SEED}`]
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' })
    assert.equal(status, 0, `${stdout}${stderr}`)
    assert.equal(stdout.match(/^✔ caught {2}/gm)?.length, SAMPLE, stdout)
    assert.match(stdout, new RegExp(`^${SAMPLE} of ${SAMPLE} faults caught in `, 'm'))
  })

  it('reports unknown words, invalid numbers and unknown flags', () => {
    for (const [args, problem] of [
      [['--numbers', 'unheard-of'], /no fault has unheard-of in its name:/],
      [['--numbers', '--sample', 'many'], /--sample many: give a whole number/],
      [['--number'], /--number/],
    ] as const) {
      const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' })
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, problem)
    }
  })
})
