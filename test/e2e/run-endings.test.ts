import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { statfs, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { loadTrainedModel } from '../../src/exports/trained-model.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'
import { killTerminals, noTerminal, PseudoTerminal } from '../support/pseudo-terminal.js'

// Ends of runs that are not awaited, or that cannot write their outputs: rows 57, 58 and 68 of the fault table.

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-endings-'))
const children = new Set<ChildProcess>()
const mounts = new Set<string>()
after(() => {
  for (const child of children) child.kill('SIGKILL')
  for (const place of mounts) spawnSync('umount', ['--lazy', place])
  killLaunches()
  killTerminals()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const ANY = ['--listen', '--admin-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0'])
const RUN = ['--recipe', 'quick', '--seed', '7', '--data', tiny.directory, '--standalone', ...ANY]
const SHORT = ['train', ...RUN, '--epochs', '2']
const ENDLESS = ['train', ...RUN, '--epochs', '1000']

/** The only run in a directory of runs. */
function runIn(runs: string): string {
  const [name] = readdirSync(runs)
  assert.ok(name !== undefined, `no run in ${runs}`)
  return path.join(runs, name)
}

function linesOf(runDirectory: string, file: string): Json[] {
  const text = readFileSync(path.join(runDirectory, file), 'utf8')
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Json)
}

function messagesOf(runDirectory: string): string {
  return linesOf(runDirectory, 'convoy.log')
    .map(({ message }) => String(message))
    .join('\n')
}

function newRuns(): string {
  return mkdtempSync(path.join(scratch, 'runs-'))
}

/** Runs a command line in bash, in a session of its own; `$convoy` is the program. */
function bash(
  line: string,
  environment: NodeJS.ProcessEnv = {},
): { child: ChildProcess; ended: Promise<number | null> } {
  const convoy = `${process.execPath} ${path.join(packageRoot, 'bin', 'convoy.mjs')}`
  const child = spawn('bash', ['-c', `set -o pipefail; ${line}`], {
    env: { ...process.env, ...tiny.environment, convoy, ...environment },
    stdio: 'ignore',
    detached: true,
  })
  children.add(child)
  const ended = once(child, 'close').then(([status]) => {
    children.delete(child)
    return status as number | null
  })
  return { child, ended }
}

async function untilLog(runs: string, wanted: RegExp): Promise<string> {
  await until(`${wanted} in convoy.log`, () => {
    const [name] = readdirSync(runs)
    return name !== undefined && existsSync(path.join(runs, name, 'convoy.log')) && wanted.test(messagesOf(runIn(runs)))
  })
  return runIn(runs)
}

describe('an output that cannot be written', () => {
  it('fault 57: standard error on a full disk does not affect the run and its log', async () => {
    const runs = newRuns()
    assert.equal(await bash(`$convoy ${SHORT.join(' ')} --runs-dir ${runs} 2>/dev/full`).ended, 0)
    const run = runIn(runs)
    assert.ok(existsSync(path.join(run, 'result.json')))
    assert.match(messagesOf(run), /Standard error cannot be written: its disk is full \(ENOSPC\)\. The run continues/)
  })

  it('fault 57: standard output on a full disk loses only the printed result, with exit status 1', async () => {
    const runs = newRuns()
    assert.equal(await bash(`$convoy ${SHORT.join(' ')} --json --runs-dir ${runs} >/dev/full`).ended, 1)
    const run = runIn(runs)
    assert.ok(existsSync(path.join(run, 'result.json')))
    assert.match(messagesOf(run), /Standard output cannot be written: its disk is full \(ENOSPC\)\..*result\.json/)
  })

  it('fault 57: a reader that exits after three lines does not affect the run', async () => {
    const runs = newRuns()
    assert.equal(await bash(`$convoy ${SHORT.join(' ')} --runs-dir ${runs} 2>&1 | head -3`).ended, 0)
    const run = runIn(runs)
    assert.ok(existsSync(path.join(run, 'result.json')))
    assert.match(messagesOf(run), /Standard error cannot be written: its reader closed it \(EPIPE\)/)
  })

  it('fault 57: other commands print an error without a stack', async () => {
    const errors = path.join(scratch, 'errors')
    assert.equal(await bash(`$convoy config recipes >/dev/full 2>${errors}`).ended, 1)
    assert.equal(readFileSync(errors, 'utf8'), '✖ Standard output cannot be written: its disk is full (ENOSPC).\n')
    assert.equal(await bash(`$convoy config recipes --nonsense 2>/dev/full`).ended, 2)
  })

  it('fault 57: a terminal that closes stops the run, with its weights saved', { skip: noTerminal }, async () => {
    const runs = newRuns()
    const terminal = new PseudoTerminal([...ENDLESS, '--runs-dir', runs], 100, 30, tiny.environment)
    await terminal.untilOutput(/best so far/)
    const run = runIn(runs)
    const { pid } = JSON.parse(readFileSync(path.join(run, 'coordinator.json'), 'utf8')) as { pid: number }
    // Killing the process that owns the terminal closes it.
    killTerminals()
    await until('the run ends', () => !existsSync(`/proc/${pid}`))
    assert.match(messagesOf(run), /Stopping after SIGHUP; the weights so far are saved/)
    assert.equal((await loadTrainedModel(run, 'last')).step, linesOf(run, 'metrics.jsonl').filter(isStep).length)
    assert.equal(statusOf(run).state, 'stopped')
  })

  it('fault 57: SIGHUP does not stop a run without a terminal, such as under nohup', async () => {
    const runs = newRuns()
    const { ended } = bash(`nohup $convoy ${ENDLESS.join(' ')} --runs-dir ${runs} </dev/null >/dev/null 2>&1`)
    const run = await untilLog(runs, /best so far/)
    const { pid } = JSON.parse(readFileSync(path.join(run, 'coordinator.json'), 'utf8')) as { pid: number }
    process.kill(pid, 'SIGHUP')
    await untilLog(runs, /SIGHUP: the terminal was closed, but this run does not write to a terminal\. It continues/)
    const steps = linesOf(run, 'metrics.jsonl').filter(isStep).length
    await until('it goes on', () => linesOf(run, 'metrics.jsonl').filter(isStep).length > steps)
    process.kill(pid, 'SIGTERM')
    assert.equal(await ended, 0)
  })
})

const isStep = ({ kind }: Json): boolean => kind === 'step'

function statusOf(run: string): { state: string; end: { kind: string; reason?: string } } {
  return JSON.parse(readFileSync(path.join(run, 'status.json'), 'utf8')) as ReturnType<typeof statusOf>
}

describe('announced weights', () => {
  it('fault 68: are on disk when the run is killed', async () => {
    const launch = new Launch(ENDLESS, tiny.environment, true)
    for (let validations = 1; validations <= 3; validations++) {
      await launch.untilMetrics(
        ({ kind, result }) => kind === 'evaluated' && Number((result as Json)['step']) > 10 * validations,
      )
    }
    launch.kill()
    await launch.status()
    const { runDirectory } = await launch.announcement()
    const best = linesOf(runDirectory, 'metrics.jsonl').findLast(({ kind, best }) => kind === 'evaluated' && best)
    assert.ok(best !== undefined)
    assert.ok((await loadTrainedModel(runDirectory, 'best')).step >= Number((best['result'] as Json)['step']))
    assert.ok((await loadTrainedModel(runDirectory, 'last')).step >= Number((best['result'] as Json)['step']))
    launch.remove()
  })

  it('fault 68: are saved with all steps so far when a signal stops the run, with status stopped', async () => {
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGXCPU'] as const) {
      const launch = new Launch(ENDLESS, tiny.environment, true)
      await launch.untilMetrics(isStep)
      const { runDirectory } = await launch.announcement()
      launch.child.kill(signal)
      // Its outputs are pipes, so a hangup does not stop it.
      if (signal === 'SIGHUP') launch.terminate()
      assert.equal(await launch.status(), signal === 'SIGQUIT' ? 130 : 0, launch.stderr)
      const steps = linesOf(runDirectory, 'metrics.jsonl').filter(isStep).length
      assert.equal((await loadTrainedModel(runDirectory, 'last')).step, steps)
      assert.equal(statusOf(runDirectory).state, 'stopped')
      launch.remove()
    }
  })

  it('are saved with all steps so far when an uncaught fault ends the run', async () => {
    const sign = path.join(scratch, 'sign')
    const fault = `import { existsSync } from 'node:fs'
      const look = () => { if (existsSync(${JSON.stringify(sign)})) { clearInterval(timer); throw new Error('planted') } }
      const timer = process.argv.includes('train') ? setInterval(look, 100) : undefined`
    const planted = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(fault)}` }
    const launch = new Launch(ENDLESS, { ...tiny.environment, ...planted }, true)
    await launch.untilMetrics(isStep)
    const { runDirectory } = await launch.announcement()
    writeFileSync(sign, '')
    assert.equal(await launch.status(), 1, launch.stderr)
    assert.match(messagesOf(runDirectory), /Stopping after an uncaught fault: planted/)
    const steps = linesOf(runDirectory, 'metrics.jsonl').filter(isStep).length
    assert.equal((await loadTrainedModel(runDirectory, 'last')).step, steps)
    assert.equal(statusOf(runDirectory).state, 'failed')
    launch.remove()
  })

  it('are replaced by the last weights in eval when the run was stopped before its first validation', async () => {
    const launch = new Launch([...ENDLESS, '--set', 'batchSize=840', '--set', 'shardSize=40'], tiny.environment, true)
    const { runDirectory } = await launch.announcement()
    await launch.untilStderr(/joined/)
    await until('a step', () => linesOf(runDirectory, 'metrics.jsonl').some(isStep))
    launch.terminate()
    assert.equal(await launch.status(), 0)
    rmSync(path.join(runDirectory, 'model', 'best'), { recursive: true, force: true })
    const evaluated = new Launch(['eval', runDirectory, '--json'], tiny.environment)
    assert.equal((await evaluated.result())['weights'], 'last')
    assert.match(evaluated.stderr, /ended before its first validation; using its last weights/)
    launch.remove()
  })

  it('fault 68: are the previous ones after a save killed between its two renames', async () => {
    const launch = new Launch(SHORT, tiny.environment, true)
    assert.equal(await launch.status(), 0)
    const run = runIn(launch.runsDirectory)
    const before = await loadTrainedModel(run, 'best')
    spawnSync('mv', [path.join(run, 'model', 'best'), path.join(run, 'model', '.best-replaced')])
    assert.deepEqual((await loadTrainedModel(run, 'best')).weights, before.weights)
    launch.remove()
  })
})

/** A disk with space for this many megabytes and files; undefined where mounting is not possible. */
function smallDisk(megabytes: number, files = 10_000): string | undefined {
  const place = mkdtempSync(path.join(scratch, 'disk-'))
  const options = `size=${megabytes}m,nr_inodes=${files}`
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', place]).status !== 0) return undefined
  mounts.add(place)
  return place
}

/** Fills the disk to the last byte. */
async function fillBytes(disk: string): Promise<void> {
  const { bavail, bsize } = await statfs(disk)
  await writeFile(path.join(disk, 'filler'), Buffer.alloc(bavail * bsize)).catch(() => undefined)
  assert.equal((await statfs(disk)).bavail, 0)
}

/** Uses up the number of files, against which reserved space does not help. */
function fillFiles(disk: string): void {
  const fillers = path.join(disk, 'fillers')
  mkdirSync(fillers)
  try {
    for (let file = 0; ; file++) writeFileSync(path.join(fillers, `${file}`), '')
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
  }
}

/** A run on this disk that has reached its fifth step. */
async function runOn(disk: string, ...flags: readonly string[]): Promise<{ launch: Launch; runDirectory: string }> {
  const args = [...ENDLESS, '--max-steps', '40', ...flags]
  const launch = new Launch(args, tiny.environment, true, process.execPath, disk)
  await launch.untilMetrics((line) => isStep(line) && line['step'] === 5)
  const { runDirectory } = await launch.announcement()
  return { launch, runDirectory }
}

const noMount = smallDisk(1) === undefined && 'nothing can be mounted here'

describe('a full disk at the end of a run', { skip: noMount }, () => {
  it('fault 58: has reserved space for the weights and the result', async () => {
    const disk = smallDisk(64)!
    const { launch, runDirectory } = await runOn(disk)
    await fillBytes(disk)
    assert.equal(await launch.status(), 0, launch.stderr)
    assert.ok(existsSync(path.join(runDirectory, 'result.json')))
    assert.equal((await loadTrainedModel(runDirectory, 'last')).step, 40)
    await loadTrainedModel(runDirectory, 'best')
  })

  it('fault 58: loses no result when nothing can be written: it is printed, and saved elsewhere after the wait', async () => {
    const disk = smallDisk(64, 200)!
    const rescue = path.join(scratch, 'rescue')
    const { launch } = await runOn(disk, '--json', '--rescue-wait', '3', '--rescue-dir', rescue)
    fillFiles(disk)
    assert.equal(await launch.status(), 1)
    const printed = JSON.parse(launch.stdout) as { steps: number; weightsSha256: string }
    assert.equal(printed.steps, 40)
    assert.match(launch.stderr, /is full: ENOSPC.*Waiting 3 s for room/)
    const where = /They are saved in (\S+), which/.exec(launch.stderr)?.[1]
    assert.ok(where !== undefined && where.startsWith(rescue), launch.stderr)
    await loadTrainedModel(where, 'best')
    assert.equal((await loadTrainedModel(where, 'last')).step, 40)
    const kept = JSON.parse(readFileSync(path.join(where, 'result.json'), 'utf8')) as { weightsSha256: string }
    assert.equal(kept.weightsSha256, printed.weightsSha256)
  })

  it('fault 58: receives everything when space is freed while the run waits', async () => {
    const disk = smallDisk(64, 200)!
    const rescue = path.join(scratch, 'rescue-unused')
    const { launch, runDirectory } = await runOn(disk, '--rescue-wait', '300', '--rescue-dir', rescue)
    fillFiles(disk)
    await launch.untilStderr(/Waiting 300 s for room/)
    rmSync(path.join(disk, 'fillers'), { recursive: true })
    assert.equal(await launch.status(), 0, launch.stderr)
    assert.ok(existsSync(path.join(runDirectory, 'result.json')))
    assert.equal((await loadTrainedModel(runDirectory, 'last')).step, 40)
    assert.deepEqual(readdirSync(rescue), [], 'the weights that were saved there meanwhile are not needed any more')
  })

  it('fault 58: is reported at the start when the weights do not fit', async () => {
    const launch = new Launch(SHORT, tiny.environment, true, process.execPath, smallDisk(1)!)
    assert.equal(await launch.status(), 1)
    assert.match(launch.stderr, /cannot hold this run \(ENOSPC.*its weights need [\d.]+ MB there\. Make room/)
  })
})

it('fault 58: a run directory deleted before the end is created again', async () => {
  const launch = new Launch(SHORT, tiny.environment, true)
  await launch.untilMetrics(isStep)
  const { runDirectory } = await launch.announcement()
  rmSync(runDirectory, { recursive: true, force: true })
  assert.equal(await launch.status(), 0, launch.stderr)
  assert.ok(existsSync(path.join(runDirectory, 'result.json')))
  await loadTrainedModel(runDirectory, 'best')
  launch.remove()
})
