import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { createStaging } from '../../src/shared/staging.js'
import { FaultOracle } from './chaos/fault-oracle.js'
import { BOTH } from '../../src/bench/link/fault-proxy.js'
import { inPidNamespace, nodeInPidNamespace, whyNoPidNamespace } from './chaos/pid-namespace.js'
import { until } from '../support/until.js'
import { killLaunches, Launch } from '../support/launch.js'

// Runs that share files but not processes, such as containers with one /dev/shm, one cache and one directory of runs.

/** A step takes at least one round trip of this link. */
const SLOW_LINK = { delayMs: 300 }

const whyNot = whyNoPidNamespace()
if (whyNot !== undefined) process.stderr.write(`✖ Skipped, runs in other PID namespaces: ${whyNot}.\n`)

describe('a run or installation in another PID namespace', { skip: whyNot }, () => {
  const oracle = new FaultOracle()
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-namespaces-'))
  const node = whyNot === undefined ? nodeInPidNamespace(scratch) : ''
  after(() => {
    killLaunches()
    oracle.remove()
    rmSync(scratch, { recursive: true, force: true })
  })

  it('fault 66: keeps the shared directory of a run here in the same /dev/shm, and both runs finish correctly', async () => {
    const flags: string[] = []
    await oracle.survives(
      1,
      async (fleet, [worker]) => {
        // Otherwise this run might end before the other starts.
        worker!.freeze()
        const own = sharedDirectories(fleet.coordinator.child.pid!)
        assert.notDeepEqual(own, [])
        const other = oracle.fleet({ node })
        try {
          await other.addIn(node, 'other')
          await other.moreSteps(1)
          assert.deepEqual(sharedDirectories(fleet.coordinator.child.pid!), own)
          worker!.thaw()
          await oracle.check(other)
        } finally {
          other.close()
        }
      },
      flags,
    )
  })

  it('fault 66: allows status and report to see whether a run here goes on or was killed', async () => {
    const fleet = oracle.fleet()
    try {
      const worker = await fleet.add('a')
      await fleet.moreSteps(1)
      // Otherwise the run might end before the last command.
      worker.proxy.set(BOTH, SLOW_LINK)
      const { runDirectory } = await fleet.coordinator.announcement()
      const { runsDirectory } = fleet.coordinator
      const ask = async (...args: string[]): Promise<Launch> => {
        const launch = new Launch(args, {}, false, node)
        await launch.status()
        return launch
      }
      for (const which of [[runDirectory], ['--runs-dir', runsDirectory]]) {
        const status = await ask('status', ...which, '--json')
        assert.match((JSON.parse(status.stdout) as { state: string }).state, /^(training|evaluating)$/, status.stderr)
      }
      const stateInReport = async (): Promise<unknown> =>
        (JSON.parse((await ask('report', runDirectory, '--json')).stdout) as { state: unknown }).state
      assert.equal(await stateInReport(), 'running')
      fleet.coordinator.kill()
      await fleet.coordinator.status()
      assert.notEqual(await stateInReport(), 'running')
      assert.match((await ask('status', runDirectory)).stderr, /No run is going on in/)
      assert.match((await ask('stop', '--runs-dir', runsDirectory)).stderr, /No run is going on under/)
    } finally {
      fleet.close()
    }
  })

  it('fault 66: leaves files in /dev/shm only until the next run when its coordinator is killed', async () => {
    // The coordinator is process 1 there.
    const before = new Set(sharedDirectories(1))
    const killed = oracle.fleet({ node })
    try {
      await killed.coordinator.announcement()
      const left = sharedDirectories(1).filter((name) => !before.has(name))
      assert.notDeepEqual(left, [])
      killed.coordinator.kill()
      await killed.coordinator.status()
      const next = oracle.fleet()
      try {
        await next.coordinator.announcement()
        assert.deepEqual(
          left.filter((name) => existsSync(path.join('/dev/shm', name))),
          [],
        )
      } finally {
        next.close()
      }
    } finally {
      killed.close()
    }
  })

  it('fault 66: keeps its staging directory while it lives, and the next installation removes it after a kill', async (t) => {
    const root = path.join(scratch, 'cache')
    const module = new URL('../../src/shared/staging.js', import.meta.url).href
    const source = `
      const { createStaging } = await import('${module}')
      await createStaging(process.argv[1])
      console.log('made')
      setInterval(() => {}, 1000)`
    const [program, ...args] = inPidNamespace(process.execPath, '--input-type=module', '-e', source, root)
    const other = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => other.kill('SIGKILL'))
    await once(other.stdout, 'data')
    const names = readdirSync(root)
    const here = await createStaging(root)
    for (const name of names) assert.ok(existsSync(path.join(root, name)), `${name} is gone`)
    // And the other way round.
    const both = readdirSync(root)
    const look = inPidNamespace(
      process.execPath,
      '--input-type=module',
      '-e',
      source.replace(/setInterval.*/, ''),
      root,
    )
    assert.equal(spawnSync(look[0]!, look.slice(1), { encoding: 'utf8' }).stdout, 'made\n')
    for (const name of both) assert.ok(existsSync(path.join(root, name)), `${name} is gone`)
    await here.remove()
    other.kill('SIGKILL')
    await once(other, 'exit')
    await until('its end', async () => {
      await (await createStaging(root)).remove()
      return readdirSync(root).length === 0
    })
  })
})

/** Directories in /dev/shm of coordinators with this process id in their namespace. */
function sharedDirectories(pid: number): string[] {
  return readdirSync('/dev/shm').filter((name) => name.startsWith('convoy-') && name.includes(`-${pid}-`))
}
