import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { statfs, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { listCheckpoints } from '../../src/durability/checkpoints.js'
import { SeededDraws } from '../../src/simulation/seeded-draws.js'
import { stepsViolation } from './chaos/step-ledger.js'
import { freePort } from '../support/free-port.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

// Coordinators that are killed and resumed, and disks that fail: rows 5, 14, 43, 46 and 55 of the fault table.

const STEPS = 60
const KILLS = 6
/** A coordinator is killed within this time after a step. */
const WITHIN_MS = 150

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-durability-'))
const mounts = new Set<string>()
const ANY = ['--listen', '--admin-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0'])
const RUN = [
  ...['--recipe', 'quick', '--seed', '7', '--data', tiny.directory, '--epochs', '100', '--max-steps', `${STEPS}`],
  ...['--batch-size', '32', '--shard-size', '8', '--checkpoint-every', '20 steps'],
]
after(() => {
  // Before the runs on them are removed.
  for (const place of mounts) spawnSync('umount', ['--lazy', place])
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

/** The first lines of a run that was resumed: what came before is in the file. */
const isStep = ({ kind }: Json): boolean => kind === 'step'

function start(args: readonly string[], runs: string): Launch {
  return new Launch([...args, '--json'], tiny.environment, true, process.execPath, runs)
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

  it('fault 05: goes on at the step where it was, with the same worker, however often that happens', async () => {
    const draws = new SeededDraws(5)
    const runs = newRuns()
    const where = [...ANY.slice(2), '--listen', `127.0.0.1:${await freePort()}`]
    let coordinator = start(['coordinator', ...RUN, ...where], runs)
    const { address } = await coordinator.announcement()
    const worker = new Launch(['worker', '--join', address], tiny.environment)
    for (let kill = 1; kill <= KILLS; kill++) {
      const goal = Math.floor((kill * STEPS) / (KILLS + 2))
      await coordinator.untilMetrics((line) => isStep(line) && Number(line['step']) >= goal)
      await delay(draws.below(WITHIN_MS))
      coordinator.kill()
      await coordinator.status()
      const done = (await coordinator.metrics()).filter(isStep).length
      coordinator = start(['coordinator', '--resume', ...where], runs)
      const resumed = await coordinator.untilMetrics(
        (line) => line['kind'] === 'resumed' && Number(line['step']) >= done,
      )
      // The journal has each step that was done, and perhaps one more.
      assert.ok(Number(resumed['step']) - done <= 1, `${JSON.stringify(resumed)} after ${done} steps`)
    }
    agrees(await coordinator.result())
    assert.equal(stepsViolation(await coordinator.metrics(), STEPS), undefined)
    assert.equal((await coordinator.metrics()).filter(({ kind }) => kind === 'resumed').length, KILLS)
    assert.equal(await worker.status(), 0)
    const [run] = readdirSync(runs)
    assert.equal(listCheckpoints(path.join(runs, run!))[0]!.step, STEPS)
    assert.ok(!readdirSync(path.join(runs, run!)).includes('journal'), 'the journal of a finished run is removed')
  })

  it('fault 55: ends with the same weights on another number of workers', async () => {
    const runs = newRuns()
    const first = start(['train', ...RUN, ...ANY, '--workers', '1'], runs)
    await first.untilMetrics((line) => isStep(line) && Number(line['step']) >= 33)
    first.kill()
    await first.status()
    agrees(await start(['train', '--resume', '--workers', '2', ...ANY], runs).result())
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
    await first.result()
    const [run] = readdirSync(runs)
    const fork = ['train', '--fork', run!, ...RUN, '--max-steps', '2', '--learning-rate', '0.001', '--standalone']
    const forked = start([...fork, ...ANY], runs)
    assert.equal((await forked.result())['steps'], 2)
    assert.match(forked.stderr, new RegExp(`Beginning with the weights of ${run} after step 10`))
  })
})

/** A disk with space for this many megabytes; undefined where nothing can be mounted. */
function smallDisk(megabytes: number): string | undefined {
  const place = mkdtempSync(path.join(scratch, 'disk-'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', place]).status !== 0) return undefined
  mounts.add(place)
  return place
}

const noMount = smallDisk(1) === undefined && 'nothing can be mounted here'

describe('a disk that is full in the middle of a run', { skip: noMount }, () => {
  it('fault 43: pauses it with --on-disk-fault pause, until there is room', async () => {
    const disk = smallDisk(64)!
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
    const disk = smallDisk(64)!
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
