import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { listCheckpoints } from '../../src/durability/checkpoints.js'
import { stepsViolation } from './chaos/step-ledger.js'
import type { Announcement, Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'
import { killTerminals, noTerminal, PseudoTerminal } from '../support/pseudo-terminal.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'

// `convoy train` is a supervisor with a coordinator and workers: rows 5, 7 and 57 of the fault table.

const STEPS = 60
const KILLS = 3

const tiny = tinyDataset()
const RUN = [
  ...['--recipe', 'quick', '--seed', '7', '--data', tiny.directory, '--epochs', '1000'],
  ...['--batch-size', '32', '--shard-size', '8'],
]
const SHORT = ['train', ...RUN, '--max-steps', `${STEPS}`, '--json']
const ENDLESS = ['train', ...RUN, '--workers', '1']
after(() => {
  killLaunches()
  killTerminals()
  tiny.remove()
})

const isStep = ({ kind }: Json): boolean => kind === 'step'

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Waits for a step after this many. */
async function stepAfter(launch: Launch, steps: number): Promise<void> {
  await launch.untilMetrics((line) => isStep(line) && Number(line['step']) > steps)
}

/** A run with one worker that has made a step. */
async function startEndless(...flags: readonly string[]): Promise<{ launch: Launch; announcement: Announcement }> {
  const launch = new Launch([...ENDLESS, ...flags], tiny.environment, true)
  await stepAfter(launch, 0)
  return { launch, announcement: await launch.announcement() }
}

describe('the coordinator of convoy train', () => {
  let expected: Json
  before(async () => {
    expected = await new Launch([...SHORT, '--standalone'], tiny.environment).result()
  })

  it('fault 05: is restarted when it is killed, and its workers go on with the next one', async () => {
    const launch = new Launch([...SHORT, '--workers', '2'], tiny.environment, true)
    const first = await launch.announcement()
    await stepAfter(launch, 0)
    const workers = launch.workerPids()
    assert.equal(workers.length, 2)
    for (let kill = 1; kill <= KILLS; kill++) {
      await stepAfter(launch, kill * 12)
      const { pid } = await launch.announcement()
      process.kill(pid, 'SIGKILL')
      await until('another coordinator', async () => (await launch.announcement()).pid !== pid)
      assert.deepEqual(launch.workerPids(), workers)
    }
    const { pid: _first, ...addresses } = first
    const { pid: _last, ...after } = await launch.announcement()
    assert.deepEqual(after, addresses)
    assert.match(
      await (await fetch(first.metrics)).text(),
      new RegExp(`^convoy_coordinator_restarts\\S* ${KILLS}$`, 'm'),
    )

    const result = await launch.result()
    assert.match(String(expected['weightsSha256']), /^[0-9a-f]{64}$/)
    assert.equal(result['weightsSha256'], expected['weightsSha256'])
    const lines = await launch.metrics()
    assert.equal(stepsViolation(lines, STEPS), undefined)
    assert.equal(lines.filter(({ kind }) => kind === 'resumed').length, KILLS)
    for (const text of [launch.stderr, readFileSync(path.join(first.runDirectory, 'convoy.log'), 'utf8')])
      assert.equal(text.match(/The coordinator was ended by SIGKILL.*restarting it/g)?.length, KILLS, text)
    launch.remove()
  })

  it('fault 05: is not restarted with --no-restart: it is the process itself', async () => {
    const { launch, announcement } = await startEndless('--no-restart')
    assert.equal(announcement.pid, launch.child.pid)
    launch.kill()
    await launch.status()
    launch.remove()
  })

  it('fault 05: is not restarted when a signal stops the run between two coordinators', async () => {
    // Each coordinator after the first dies at its start; so the supervisor waits before the third.
    const dies = `if (process.argv.includes('--resume')) process.kill(process.pid, 'SIGKILL')`
    const planted = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(dies)}` }
    const launch = new Launch([...ENDLESS], { ...tiny.environment, ...planted }, true)
    await stepAfter(launch, 0)
    const workers = launch.workerPids()
    process.kill((await launch.announcement()).pid, 'SIGKILL')
    await launch.untilStderr(/restarting it in 1 s/)
    launch.terminate()
    assert.equal(await launch.status(), 1)
    await until('the workers end', () => !workers.some(isRunning))
    launch.remove()
  })

  it('fault 07: stops with a checkpoint when the supervisor is killed, and --resume goes on', async () => {
    const { launch, announcement } = await startEndless()
    const [worker] = launch.workerPids()
    launch.child.kill('SIGKILL')
    await until('the coordinator ends', () => !isRunning(announcement.pid))
    await until('the worker ends', () => !isRunning(worker!))
    const steps = (await launch.metrics()).filter(isStep).length
    assert.equal(listCheckpoints(announcement.runDirectory)[0]!.step, steps)
    const log = readFileSync(path.join(announcement.runDirectory, 'convoy.log'), 'utf8')
    assert.match(log, /Stopping after the end of its supervisor/)
    launch.remove()
  })

  it('fault 07: gets a signal once, whether its terminal or only its supervisor received it', async () => {
    const { launch } = await startEndless()
    launch.child.kill('SIGINT')
    assert.equal(await launch.status(), 130)
    assert.match(launch.stderr, /Stopping after SIGINT; the weights so far are saved/)
    assert.match(launch.stderr, /Interrupted\. What was done is in/)
    launch.remove()
  })

  it('fault 07: ends the run cleanly on one Ctrl-C', { skip: noTerminal }, async () => {
    const terminal = new PseudoTerminal([...ENDLESS, '--runs-dir', tiny.directory], 100, 30, tiny.environment)
    await terminal.untilOutput(/step [1-9]|[1-9]\d*\/\d+ {2}/)
    terminal.interrupt()
    assert.equal(await terminal.status(), 130)
    assert.match(terminal.raw, /Interrupted\. What was done is in/)
  })
})

describe('convoy train --detach', () => {
  it('fault 57: returns when the run listens; the run goes on until convoy stop', async () => {
    const launch = new Launch([...ENDLESS, '--detach', '--json'], tiny.environment, true)
    const { pid, runDirectory, output } = (await launch.result()) as unknown as Announcement & { output: string }
    try {
      await until('a step', async () => (await launch.metrics()).some(isStep))
      const stop = new Launch(['stop', runDirectory])
      assert.equal(await stop.status(), 0, stop.stderr)
      await until('the run ends', () => !isRunning(pid))
    } finally {
      if (isRunning(pid)) process.kill(pid, 'SIGKILL')
    }
    assert.match(readFileSync(output, 'utf8'), /step 1\//)
    launch.remove()
  })

  it('fails as the run does that cannot begin', async () => {
    const launch = new Launch(['train', '--detach', '--seed', 'x'], tiny.environment)
    assert.equal(await launch.status(), 2)
    assert.match(launch.stderr, /--seed/)
    const full = new Launch(['train', '--detach', '--standalone', '--data', '/nowhere'], tiny.environment)
    assert.equal(await full.status(), 2)
    assert.match(full.stderr, /\/nowhere/)
  })
})
