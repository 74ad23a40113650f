import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { statfs, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { stringify } from 'yaml'
import { listCheckpoints } from '../../src/durability/checkpoints.js'
import { SeededDraws } from '../../src/simulation/seeded-draws.js'
import { BOTH } from '../../src/bench/link/fault-proxy.js'
import { Fleet } from './chaos/fleet.js'
import { stepsViolation } from './chaos/step-ledger.js'
import type { Json } from '../support/launch.js'
import { DurableTraining } from '../support/durable-training.js'
import { killLaunches, Launch } from '../support/launch.js'
import { removeDisks, smallDisk } from '../support/small-disk.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'
import { WallClock } from '../support/wall-clock.js'

// Coordinators that are killed and resumed, and disks that fail: rows 5, 14, 43, 46 and 55 of the fault table.

const STEPS = 80
/** The last step of the first epoch. */
const VALIDATED_STEP = 27
/** One way. A step takes twice as long, so a worker that is added computes some. */
const SLOW_MS = 150

const HOUR_MS = 3_600_000

interface Kill {
  /** Steps that are done before it. */
  readonly beyond: number
  /** A worker that takes part before it, and another one that is started then. */
  readonly joined?: string
  readonly adds?: string
}

/** The second one is in the middle of a validation. */
const KILLS: readonly Kill[] = [
  { beyond: 7 },
  { beyond: VALIDATED_STEP - 1, adds: 'b' },
  { beyond: VALIDATED_STEP + 1, joined: 'b', adds: 'c' },
  { beyond: VALIDATED_STEP + 2, joined: 'c' },
  { beyond: VALIDATED_STEP + 3, joined: 'c' },
]

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-durability-'))
const ANY = ['--listen', '--admin-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0'])
const RUN = [
  ...['--recipe', 'quick', '--seed', '7', '--data', tiny.directory, '--epochs', '100', '--max-steps', `${STEPS}`],
  ...['--batch-size', '32', '--shard-size', '8', '--checkpoint-every', '20 steps'],
]
after(() => {
  removeDisks()
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

/** The first lines of a run that was resumed: what came before is in the file. */
const isStep = ({ kind }: Json): boolean => kind === 'step'

function start(args: readonly string[], runs: string): Launch {
  return new Launch([...args, '--json'], tiny.environment, true, process.execPath, runs)
}

/** A wall clock that can be set, unless it cannot be made. */
let clock: WallClock | undefined
let noClock: string | false = false
try {
  clock = new WallClock(scratch)
} catch (error) {
  noClock = `the wall clock cannot be set here: ${(error as Error).message}`
  process.stderr.write(`✖ Skipped, jumps of the wall clock: ${noClock}\n`)
}

/** What a run that is over has no use for. */
function leftovers(runDirectory: string): string[] {
  const names = [...readdirSync(runDirectory), ...readdirSync(path.join(runDirectory, 'checkpoints'))]
  return names.filter((name) => name === 'journal' || name.startsWith('.') || /\.\d+$/.test(name))
}

/** Adds a worker over a slow link: steps and validations take a moment. */
async function addSlow(fleet: Fleet, name: string): Promise<void> {
  const { proxy } = await fleet.add(name)
  proxy.set(BOTH, { delayMs: SLOW_MS })
}

/** Waits until a validation goes on. */
async function untilValidation({ coordinator }: Fleet): Promise<void> {
  for (let last: Json | undefined; last?.['step'] !== VALIDATED_STEP || !isStep(last);) {
    await delay(SLOW_MS / 20)
    last = (await coordinator.metrics()).at(-1)
  }
}

function newRuns(): string {
  return mkdtempSync(path.join(scratch, 'runs-'))
}

describe('a run whose coordinator is killed', () => {
  let expected: Json
  before(async () => {
    expected = await start(['train', ...RUN, ...ANY, '--standalone'], newRuns()).result()
  })

  function agrees(result: Json): void {
    assert.match(String(expected['weightsSha256']), /^[0-9a-f]{64}$/)
    assert.equal(result['weightsSha256'], expected['weightsSha256'])
    assert.deepEqual(result['weights'], expected['weights'])
  }

  it('fault 05, 55: goes on at the step where it was, however often that happens, and with however many workers', async () => {
    const draws = new SeededDraws(5)
    const fleet = new Fleet({ run: RUN, environment: tiny.environment })
    await addSlow(fleet, 'a')
    for (const { beyond, joined, adds } of KILLS) {
      if (joined !== undefined) await fleet.joined(joined)
      await fleet.coordinator.untilMetrics((line) => isStep(line) && Number(line['step']) >= beyond)
      if (adds !== undefined) await addSlow(fleet, adds)
      if (beyond < VALIDATED_STEP && adds !== undefined) await untilValidation(fleet)
      else await delay(draws.below(2 * SLOW_MS))
      const { done, step } = await fleet.killCoordinator()
      // The journal has each step that was done, and perhaps one more.
      assert.ok(step === done || step === done + 1, `resumed at step ${step} after ${done} steps`)
    }
    agrees(await fleet.coordinator.result())
    const lines = await fleet.coordinator.metrics()
    assert.equal(stepsViolation(lines, STEPS), undefined)
    const numbers = lines.filter(isStep).map((line) => Number(line['workers']))
    for (const workers of [1, 2, 3]) assert.ok(numbers.includes(workers), `no step with ${workers} workers`)
    const resumed = lines.filter(({ kind }) => kind === 'resumed')
    assert.equal(resumed.length, KILLS.length)
    const validated = lines.findIndex((line) => (line['result'] as Json | undefined)?.['step'] === VALIDATED_STEP)
    assert.equal(lines.slice(0, validated).findLast(({ kind }) => kind === 'resumed')?.['step'], VALIDATED_STEP)
    for (const { launch } of fleet.workers.values()) assert.equal(await launch.status(), 0)
    const { runDirectory } = await fleet.coordinator.announcement()
    assert.equal(listCheckpoints(runDirectory)[0]!.step, STEPS)
    assert.deepEqual(leftovers(runDirectory), [])
    fleet.close()
  })

  it('fault 07: and one that was stopped by SIGTERM goes on from its checkpoint', async () => {
    const runs = newRuns()
    const first = start(['train', ...RUN, ...ANY, '--standalone', '--journal', 'off'], runs)
    await first.untilMetrics((line) => isStep(line) && Number(line['step']) >= 7)
    first.terminate()
    assert.equal(await first.status(), 0)
    const done = (await first.metrics()).filter(isStep).length
    const second = start(['train', '--resume', '--standalone', ...ANY], runs)
    agrees(await second.result())
    const resumed = (await second.metrics()).find(({ kind }) => kind === 'resumed')!
    assert.deepEqual([resumed['step'], resumed['checkpointStep']], [done, done])
    assert.equal(stepsViolation(await second.metrics(), STEPS), undefined)
  })

  it('fault 14: belongs to one coordinator: another one is rejected while it lives', async () => {
    const runs = newRuns()
    const first = start(['coordinator', ...RUN, ...ANY], runs)
    const { runDirectory } = await first.announcement()
    await first.untilStderr(/workers join at/)
    for (let listed = 0; listed === 0; listed = listCheckpoints(runDirectory).length) await delay(50)
    const second = start(['coordinator', '--resume', runDirectory, ...ANY], runs)
    assert.equal(await second.status(), 2)
    assert.match(second.stderr, /belongs to a coordinator that runs/)
    first.kill()
  })

  it('fault 14: is not taken back to where it was while this coordinator started, when another one went on with it', async () => {
    const runs = newRuns()
    const training = new DurableTraining(runs)
    await training.train(15)
    const config = path.join(runs, 'config')
    assert.equal(spawnSync('mkfifo', [config]).status, 0)
    const late = start(['train', '--resume', training.runDirectory, '--config', config, ...ANY], runs)
    await late.untilStderr(/config/)
    await training.train(35)
    writeFileSync(config, stringify(training.restore()!.checkpoint.manifest.description.config))
    assert.equal(await late.status(), 2)
    assert.match(late.stderr, /another coordinator went on with this run while this one started, .* step 30\./)
    assert.equal(training.restore()!.state.step, 35)
  })

  it(
    'fault 49: makes checkpoints by the time that passes, whatever the wall clock is set to',
    { skip: noClock },
    async () => {
      const runs = newRuns()
      const command = (...args: string[]): Launch =>
        new Launch(
          [...args, '--standalone', ...ANY, '--json'],
          { ...tiny.environment, ...clock!.environment },
          true,
          process.execPath,
          runs,
        )
      const first = command('train', ...RUN, '--checkpoint-every', '1h')
      await first.untilMetrics((line) => isStep(line) && line['step'] === 5)
      clock!.set(2 * HOUR_MS)
      await first.untilMetrics((line) => isStep(line) && Number(line['step']) >= 15)
      first.kill()
      await first.status()
      const { runDirectory } = await first.announcement()
      assert.deepEqual(
        listCheckpoints(runDirectory).map(({ step }) => step),
        [0],
      )
      clock!.set(-HOUR_MS)
      const second = command('train', '--resume', '--checkpoint-every', '1s')
      const { step } = await second.untilMetrics(({ kind }) => kind === 'resumed')
      await second.untilMetrics((line) => isStep(line) && Number(line['step']) > Number(step))
      clock!.set(-3 * HOUR_MS)
      const { pid } = await second.announcement()
      process.kill(pid, 'SIGSTOP')
      await delay(1_100)
      process.kill(pid, 'SIGCONT')
      // One that was due after a second, not the last one.
      await until('a checkpoint', () =>
        listCheckpoints(runDirectory).some((one) => one.step > Number(step) && one.step < STEPS),
      )
      agrees(await second.result())
      assert.equal(stepsViolation(await second.metrics(), STEPS), undefined)
    },
  )

  it('keeps its settings: others are rejected by name, and more steps are accepted', async () => {
    const runs = newRuns()
    const first = start(['train', ...RUN, ...ANY, '--standalone', '--max-steps', '10'], runs)
    assert.equal((await first.result())['steps'], 10)
    const [run] = readdirSync(runs)
    const other = ['train', '--resume', run!, '--seed', '8', '--set', 'optimizer.momentum=0.5', ...ANY]
    const refused = start(other, runs)
    assert.equal(await refused.status(), 2)
    assert.match(refused.stderr, /seed: 7 before, 8 now[^]*optimizer\.momentum: 0\.9 before, 0\.5 now/)
    assert.match(refused.stderr, /--fork/)
    const longer = ['train', '--resume', run!, '--max-steps', `${STEPS}`, '--standalone', ...ANY]
    agrees(await start(longer, runs).result())
    const again = start(['train', '--resume', ...ANY], runs)
    assert.equal(await again.status(), 2)
    assert.match(again.stderr, /No run under .* was interrupted/)
  })

  it('is the ancestor of a fork, which begins with its weights', async () => {
    const runs = newRuns()
    const first = start(['train', ...RUN, ...ANY, '--standalone', '--max-steps', '10'], runs)
    const { weightsSha256 } = await first.result()
    const [run] = readdirSync(runs)
    const fork = ['train', '--fork', run!, ...RUN, '--max-steps', '2', '--learning-rate', '0.001', '--standalone']
    const forked = start([...fork, ...ANY], runs)
    const { steps, ancestor } = await forked.result()
    assert.deepEqual({ steps, ancestor }, { steps: 2, ancestor: { run, step: 10, weightsSha256 } })
    assert.match(forked.stderr, new RegExp(`Beginning with the weights of ${run} after step 10`))
  })
})

const noMount = smallDisk(scratch, 1_000) === undefined && 'nothing can be mounted here'

describe('a disk that is full in the middle of a run', { skip: noMount }, () => {
  it('fault 43: pauses it with --on-disk-fault pause, until there is room', async () => {
    const disk = smallDisk(scratch, 64_000)!
    const launch = start(['train', ...RUN, ...ANY, '--standalone', '--on-disk-fault', 'pause'], disk)
    await launch.untilMetrics((line) => isStep(line) && line['step'] === 5)
    const { runDirectory } = await launch.announcement()
    const { bavail, bsize } = await statfs(disk)
    const filler = path.join(runDirectory, 'filler')
    await writeFile(filler, Buffer.alloc(bavail * bsize)).catch(() => undefined)
    await launch.untilStderr(/The run pauses until a checkpoint can be written/)
    await launch.untilStderr(/[Pp]aused after step \d+/)
    rmSync(filler)
    const result = await launch.result()
    assert.equal(result['steps'], STEPS)
    const lines = await launch.metrics()
    assert.equal(stepsViolation(lines, STEPS), undefined)
    assert.ok(lines.some(({ kind }) => kind === 'continued'))
  })

  it('fault 43: does not end the run, which goes on without journal, says so, and journals again when there is room', async () => {
    const disk = smallDisk(scratch, 64_000)!
    const launch = start(['train', ...RUN, ...ANY, '--max-steps', '400', '--standalone'], disk)
    await launch.untilMetrics((line) => isStep(line) && line['step'] === 5)
    const { runDirectory } = await launch.announcement()
    const { bavail, bsize } = await statfs(disk)
    const filler = path.join(runDirectory, 'filler')
    await writeFile(filler, Buffer.alloc(bavail * bsize)).catch(() => undefined)
    await launch.untilStderr(/The step journal cannot be written \(ENOSPC.*until the next checkpoint/)
    await launch.untilStderr(/The checkpoint of step \d+ cannot be written \(ENOSPC.*the last good one stays/)
    assert.deepEqual(
      listCheckpoints(runDirectory).map(({ step }) => step),
      [0],
    )
    rmSync(filler)
    const since = (await launch.metrics()).filter(isStep).length
    for (let newest = 0; newest < since; newest = listCheckpoints(runDirectory)[0]!.step) await delay(50)
    launch.kill()
    await launch.status()
  })
})

describe('a run directory that cannot be used', { skip: noMount }, () => {
  it('fault 46: read-only or gone, ends a new or resumed run at its start, with the reason', async () => {
    const disk = smallDisk(scratch, 4_000)!
    const training = new DurableTraining(disk)
    await training.train(15)
    assert.equal(spawnSync('mount', ['-o', 'remount,ro', disk]).status, 0)
    for (const [args, reason] of [
      [RUN, /--runs-dir .*EROFS.*Choose a writable directory/],
      [['--resume', training.runDirectory], /cannot be written \(EROFS\).*mount it writable/],
      [['--resume', path.join(disk, 'gone')], /gone: there is no such run/],
    ] as const) {
      const launch = start(['train', ...args, '--standalone', ...ANY], disk)
      assert.equal(await launch.status(), 2, launch.stderr)
      assert.match(launch.stderr, reason)
      assert.doesNotMatch(launch.stderr, /^ +at /m)
    }
    assert.equal(training.restore()!.state.step, 15)
  })
})
