import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { packageRoot } from '../../src/shared/package-root.js'
import { inPidNamespace, whyNoPidNamespace } from '../faults/chaos/pid-namespace.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { killLaunches, Launch } from '../support/launch.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-local-'))
const tiny = tinyDataset()
const environment = { ...process.env, ...tiny.environment, CONVOY_LOCAL_STATE: path.join(scratch, 'the state') }
/** Small steps, to keep the test short. */
const RUN = ['--recipe', 'quick', '--data', tiny.directory, '--batch-size', '32', '--shard-size', '4']
const PORTS = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']

/** Runs a script of deploy/local. @returns its output; rejects with it when the script fails */
async function local(script: string, ...args: string[]): Promise<string> {
  return outputOf(scriptAt(script), ...args)
}

/** Like {@link local}, in a PID namespace of its own. */
async function beside(script: string, ...args: string[]): Promise<string> {
  const [program, ...words] = inPidNamespace(scriptAt(script), ...args)
  return outputOf(program!, ...words)
}

function scriptAt(name: string): string {
  return path.join(packageRoot, 'deploy', 'local', name)
}

async function outputOf(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { env: environment })
  return stdout
}

async function until<Value>(what: string, poll: () => Promise<Value | undefined> | Value | undefined): Promise<Value> {
  const deadline = performance.now() + 120_000
  for (;;) {
    const value = await poll()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await delay(100)
  }
}

interface Status {
  step: number
  workers: { name: string; state: string }[]
}

async function status(): Promise<Status | undefined> {
  const text = await local('status', '--json')
  return text.startsWith('{') ? (JSON.parse(text) as Status) : undefined
}

describe('deploy/local', () => {
  after(async () => {
    killLaunches()
    await local('down')
    rmSync(scratch, { recursive: true, force: true })
    tiny.remove()
  })

  it('gives the weights of an undisturbed run when it is scaled from 1 to 3 to 2 workers', async () => {
    const recipe = [...RUN, '--epochs', '1000', '--seed', '7']
    const runs = path.join(scratch, 'runs')
    const up = await local('up', '1', ...recipe, ...PORTS, '--runs-dir', runs)
    assert.match(up, / 1 worker\b/)
    await assert.rejects(local('up', '1'), /A local run is going on/)
    await until('the first steps', async () => ((await status())?.step ?? 0) >= 3 || undefined)
    await local('scale', '3')
    await until(
      'three workers',
      async () => ((await status())?.workers.filter(({ state }) => state !== 'syncing').length ?? 0) === 3 || undefined,
    )
    const step = (await status())!.step
    await until('a step of three', async () => ((await status())?.step ?? 0) > step || undefined)
    await local('scale', '2')
    await until('two workers', async () => (await status())?.workers.length === 2 || undefined)
    assert.match(await local('status'), /step \d+ of \d+ .* 2 workers/)
    assert.match(await local('logs'), /TensorFlow/)
    // However fast the machine is, the run is not over before.
    const [going] = readdirSync(runs)
    const stop = new Launch(['stop', path.join(runs, going!)], tiny.environment)
    assert.equal(await stop.status(), 0, stop.stderr)

    const result = await until('the result', () => {
      const [run] = readdirSync(runs)
      const file = path.join(runs, run!, 'result.json')
      return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>) : undefined
    })
    const whole = ['train', ...recipe, '--max-steps', String(result['steps']), '--workers', '2', '--json']
    const undisturbed = await new Launch(whole, tiny.environment).result()
    assert.equal(result['weightsSha256'], undisturbed['weightsSha256'])
    assert.equal(result['workers'], 3)
    await until('the end', async () => /over/.test(await local('status')) || undefined)
  })

  it(
    'fault 66: is visible in another PID namespace, and cannot be stopped from there',
    { skip: whyNoPidNamespace() },
    async () => {
      await local('up', '1', ...RUN, '--epochs', '100000', ...PORTS, '--runs-dir', path.join(scratch, 'long'))
      const first = await until('the first step', async () => (await status())?.step || undefined)
      await assert.rejects(beside('up', '1'), /A local run is going on/)
      assert.ok((JSON.parse(await beside('status', '--json')) as Status).step >= first)
      await assert.rejects(beside('down'), /The coordinator runs, but .* another container, PID namespace or user/)
      await assert.rejects(beside('scale', '0'), /The worker-0 runs, but .* another container, PID namespace or user/)
      await until('a step after that', async () => ((await status())?.step ?? 0) > first || undefined)
      assert.equal((await status())?.workers.length, 1)
      assert.match(await local('down'), /^Down\.$/m)
      assert.match(await local('status'), /^The run is over/)
    },
  )

  it('does not signal another process that reuses the id of a killed one', async () => {
    const state = environment.CONVOY_LOCAL_STATE
    await local('up', '0', ...RUN, ...PORTS, '--runs-dir', path.join(scratch, 'killed'))
    const pidFile = path.join(state, 'coordinator.pid')
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL')
    await until('its end', async () =>
      // Meanwhile it still holds its lock, and does not answer.
      local('status').then(
        (text) => text.startsWith('The run is over') || undefined,
        () => undefined,
      ),
    )
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', 'convoy.mjs'])
    writeFileSync(pidFile, `${bystander.pid}\n`)
    await local('down')
    // Any earlier signal would arrive before this one.
    bystander.kill('SIGUSR2')
    const [, signal] = (await once(bystander, 'exit')) as [number | null, string]
    assert.equal(signal, 'SIGUSR2')
  })

  it('rejects stopping a run of an earlier version', async () => {
    const pidFile = path.join(environment.CONVOY_LOCAL_STATE, 'worker-7.pid')
    writeFileSync(pidFile, `${process.pid}\n`)
    await assert.rejects(local('down'), new RegExp(`worker-7\\.pid was written by an earlier version.*${process.pid}`))
    rmSync(pidFile)
  })

  it('reports an invalid number of workers, a missing run and an unknown recipe', async () => {
    await assert.rejects(local('scale', 'many'), /whole number from 0 to 256/)
    await assert.rejects(local('scale', '2'), /No local run/)
    await assert.rejects(
      local('up', '1', '--recipe', 'nonsense'),
      ({ code, stderr }: { code: number; stderr: string }) => {
        assert.equal(code, 2)
        assert.match(stderr, /^✖ --recipe: there is no recipe "nonsense"/)
        return true
      },
    )
  })
})
