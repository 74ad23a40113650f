import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { faultScenario } from '../../src/simulation/fault-scenario.js'
import { simulateFaults } from '../../src/simulation/simulate-faults.js'

const MAIN = path.join(packageRoot, 'dist', 'test', 'simulation', 'main.js')

test('500 simulated runs with faults end with the weights of a run without faults', () => {
  const { status, stdout } = spawnSync(process.execPath, [MAIN, '--seed', '1', '--runs', '500'], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
  assert.match(stdout, /^500 runs, .*: 0 violations$/m)
})

test('a seed replays the same history, event by event', async () => {
  const [one, again, other] = [
    await simulateFaults(faultScenario(5)),
    await simulateFaults(faultScenario(5)),
    await simulateFaults(faultScenario(6)),
  ]
  assert.deepEqual(one, again)
  assert.notDeepEqual(one.history, other.history)
})

test('the simulation reports an invalid seed or number of runs', () => {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, '--runs', 'many'], { encoding: 'utf8' })
  assert.equal(status, 2)
  assert.match(stderr, /--runs many: give a whole number/)
})
