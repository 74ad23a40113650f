import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { checkpointAt, checkpointsIn } from '../../src/durability/checkpoints.js'
import { packageRoot } from '../../src/shared/package-root.js'
import type { StatusReply } from '../../src/shared/protocol/messages.js'
import { stepsViolation } from '../faults/chaos/step-ledger.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

// One run that is paused, continued, saved, drained, ended in a pause and resumed, and the same run undisturbed.

/** More than the run makes while commands are carried out. */
const STEPS = 160
const tiny = tinyDataset()
const FLAGS = [
  ...['--recipe', 'quick', '--seed', '7', '--data', tiny.directory, '--epochs', '1000', '--max-steps', `${STEPS}`],
  ...['--batch-size', '32', '--shard-size', '8', '--json'],
]

let training: Launch
let joined: Launch
let run: { address: string; adminAddress: string; metrics: string; runDirectory: string }
let expected: Promise<Json>
/** Of the pause. */
let step = 0

before(async () => {
  training = new Launch(['train', ...FLAGS, '--workers', '2'], tiny.environment, true)
  run = await training.announcement()
  await training.untilMetrics(({ kind, workers }) => kind === 'step' && workers === 2)
})
after(() => {
  killLaunches()
  tiny.remove()
})

interface Output {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

async function convoy(...args: string[]): Promise<Output> {
  return new Promise((resolve) => {
    const program = path.join(packageRoot, 'bin', 'convoy.mjs')
    const child = execFile(process.execPath, [program, ...args], (_, stdout, stderr) => {
      resolve({ status: child.exitCode!, stdout, stderr })
    })
  })
}

async function json(...args: string[]): Promise<Json> {
  const { status, stdout, stderr } = await convoy(...args, '--json')
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout) as Json
}

async function status(): Promise<StatusReply> {
  return (await json('status', run.runDirectory)) as unknown as StatusReply
}

async function stepsDone(): Promise<number> {
  return (await training.metrics()).filter(({ kind }) => kind === 'step').length
}

describe('a running run', () => {
  it('pauses after its step, and says why its checkpoint cannot be written', async () => {
    const directory = checkpointsIn(run.runDirectory)
    renameSync(directory, `${directory}-aside`)
    writeFileSync(directory, '')
    const paused = await convoy('pause', run.runDirectory)
    assert.equal(paused.status, 1)
    assert.match(paused.stderr, /^✖ The run is paused after step \d+, but its checkpoint cannot be written \(.*EEXIST/m)
    const saved = await convoy('checkpoint', '--admin', run.adminAddress)
    assert.equal(saved.status, 1)
    assert.match(saved.stderr, /^✖ The checkpoint of step \d+ cannot be written \(.*EEXIST.* the last good one stays/m)
    rmSync(directory)
    renameSync(`${directory}-aside`, directory)
    const again = await json('pause', run.runDirectory)
    step = Number(again['step'])
    assert.deepEqual(again, { step, wasPaused: true, checkpoint: checkpointAt(run.runDirectory, step) })
    assert.ok(existsSync(path.join(checkpointAt(run.runDirectory, step), 'manifest.json')))
  })

  it('is visibly paused, accepts a worker and makes no step', async () => {
    joined = new Launch(['worker', '--join', run.address, '--name', 'c'], tiny.environment)
    await training.untilMetrics(({ kind, worker }) => kind === 'worker-joined' && (worker as Json)['name'] === 'c')
    const { state, workers, checkpoint, step: done, secondsLeft, samplesPerSecond } = await status()
    assert.deepEqual([state, done, checkpoint!.step], ['paused', step, step])
    assert.deepEqual(
      workers.map((worker) => worker.state),
      ['ready', 'ready', 'ready'],
    )
    assert.ok(secondsLeft > 0 && samplesPerSecond > 0)
    assert.match((await convoy('status', run.runDirectory)).stdout, /^.*: paused\nstep /)
    assert.match(await (await fetch(run.metrics)).text(), /^convoy_run_state\{.*state="paused".*\} 1$/m)
    assert.deepEqual(await json('checkpoint', run.runDirectory), {
      step,
      directory: checkpointAt(run.runDirectory, step),
    })
    assert.match(training.stderr, /The run is paused after step/)
    assert.equal(await stepsDone(), step)
  })

  it('lets an own worker go, which is not started again, and names the others for a wrong name', async () => {
    const [first, second] = (await status()).workers
    const wrong = await convoy('drain', 'nobody', run.runDirectory)
    assert.equal(wrong.status, 2)
    assert.ok(wrong.stderr.startsWith('✖ There is no worker nobody. Name one of '))
    assert.ok(wrong.stderr.includes(`${second!.name} (number ${second!.worker}), c (number 3)`), wrong.stderr)
    const drained = await convoy('drain', String(first!.worker), run.runDirectory)
    assert.equal(drained.stdout, `Worker ${first!.worker} (${first!.name}) left; 2 workers remain.\n`)
    assert.deepEqual(
      (await status()).workers.map(({ name }) => name),
      [second!.name, 'c'],
    )
  })

  it('goes on, makes a checkpoint meanwhile, and waits when its last worker was let go', async () => {
    assert.equal((await convoy('continue', run.runDirectory)).stdout, 'The run goes on.\n')
    const nothing = await convoy('continue', run.runDirectory)
    assert.deepEqual([nothing.status, nothing.stdout], [0, 'The run is not paused.\n'])
    const saved = await json('checkpoint', '--runs-dir', training.runsDirectory)
    assert.ok(Number(saved['step']) > step)
    const directory = checkpointAt(run.runDirectory, Number(saved['step']))
    assert.equal(saved['directory'], directory)
    assert.ok(existsSync(directory))
    const [last] = (await status()).workers
    const drained = await Promise.all(
      ['c', last!.name].map(async (name) => json('drain', name, '--admin', run.adminAddress)),
    )
    assert.ok(drained.some(({ workers }) => workers === 0))
    assert.equal(await joined.status(), 0)
    assert.match(joined.stderr, /Done: left\./)
    const { state, workers } = await status()
    assert.deepEqual([state, workers], ['waiting', []])
    assert.ok((await stepsDone()) < STEPS, 'the run was over before')
    for (const index of [0, 1])
      assert.match(readFileSync(path.join(run.runDirectory, `worker-${index}.log`), 'utf8'), /Done: left\.\n$/)
    assert.doesNotMatch(training.stderr, /Worker \d ended|Worker \d+ \(.*\) left:/)
  })

  it('ends by SIGTERM while it is paused, and ends resumed with the weights of the undisturbed run', async () => {
    expected = new Launch(['train', ...FLAGS, '--standalone'], tiny.environment).result()
    const before = await stepsDone()
    const worker = new Launch(['worker', '--join', run.address, '--name', 'd'], tiny.environment)
    await training.untilMetrics(({ kind, step }) => kind === 'step' && Number(step) > before)
    const paused = await json('pause', run.runDirectory)
    training.terminate()
    assert.deepEqual([await training.status(), await worker.status()], [0, 0])
    const kept = JSON.parse(readFileSync(path.join(run.runDirectory, 'status.json'), 'utf8')) as Json
    assert.deepEqual([kept['state'], (kept['end'] as Json)['kind']], ['stopped', 'stopped'])
    const flags = ['--resume', run.runDirectory, '--standalone', '--json']
    const resumed = new Launch(['train', ...flags], tiny.environment, true, process.execPath, training.runsDirectory)
    const [result, undisturbed] = await Promise.all([resumed.result(), expected])
    assert.match(resumed.stderr, new RegExp(`The run goes on after step ${String(paused['step'])}:`))
    assert.equal(result['weightsSha256'], undisturbed['weightsSha256'])
    const lines = await resumed.metrics()
    assert.equal(stepsViolation(lines, STEPS), undefined)
    assert.deepEqual(
      lines.map(({ kind }) => kind).filter((kind) => kind === 'paused' || kind === 'continued'),
      ['paused', 'continued', 'paused'],
    )
  })
})
