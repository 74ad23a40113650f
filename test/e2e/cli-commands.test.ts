import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import sharp from 'sharp'
import { packageRoot } from '../../src/shared/package-root.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-cli-'))
after(() => {
  killLaunches()
  rmSync(scratch, { recursive: true, force: true })
})

function convoy(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return convoyWith({}, ...args)
}

function convoyWith(
  environment: NodeJS.ProcessEnv,
  ...args: string[]
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [path.join(packageRoot, 'bin', 'convoy.mjs'), ...args], {
    env: { ...process.env, ...environment },
    encoding: 'utf8',
  })
}

describe('convoy', () => {
  it('shows its commands, its version, and each command’s flags', () => {
    const help = convoy('--help')
    assert.equal(help.status, 0)
    for (const command of [
      'train',
      'coordinator',
      'worker',
      'status',
      'stop',
      'pause',
      'continue',
      'drain',
      'eval',
      'predict',
      'data',
      'runtime',
      'doctor',
      'config',
    ]) {
      assert.match(help.stdout, new RegExp(`^  ${command} `, 'm'))
    }
    assert.match(convoy('--version').stdout, /^\d+\.\d+\.\d+$/m)
    assert.match(convoy('train', '--help').stdout, /--recipe <name>.*\n[^]*--standalone/)
  })

  it('exits 2 for an unknown command or flag', () => {
    for (const args of [['nonsense'], ['train', '--nonsense'], ['predict'], ['worker']]) {
      const { status, stderr } = convoy(...args)
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, /✖/)
    }
  })

  it('reports all problems of a run before anything starts', () => {
    const { status, stdout, stderr } = convoy(
      'train',
      '--epochs',
      '0',
      '--batch-size',
      '100',
      '--workers',
      'x',
      '--runs-dir',
      path.join(scratch, 'none'),
    )
    assert.equal(status, 2)
    assert.equal(stdout, '')
    for (const flag of [/--epochs 0/, /--batch-size 100/, /--workers/]) assert.match(stderr, flag)
    assert.doesNotMatch(stderr, /\n\s+at /)
    assert.deepEqual(readdirSync(scratch), [])
  })

  it('rejects an address beyond this machine without --insecure', () => {
    for (const flag of ['--listen', '--admin-listen']) {
      const { status, stderr } = convoy('coordinator', flag, '0.0.0.0:0', '--runs-dir', path.join(scratch, 'exposed'))
      assert.equal(status, 2)
      assert.match(stderr, new RegExp(`✖ ${flag} 0\\.0\\.0\\.0:0 .*--insecure`))
    }
  })

  it('leaves no run directory behind when the run cannot start', async (test) => {
    const taken = createServer()
    test.after(() => taken.close())
    await once(taken.listen(0, '127.0.0.1'), 'listening')
    const inUse = `127.0.0.1:${(taken.address() as AddressInfo).port}`
    const runs = path.join(scratch, 'refused')
    const mistakes = [
      ['--data', path.join(scratch, 'nothing')],
      ['--data', path.join(packageRoot, 'src')],
      ['--listen', 'nonsense'],
      ['--listen', inUse],
      ['--admin-listen', inUse],
      ['--metrics-listen', inUse],
      ['--announce', path.join(scratch, 'missing', 'file')],
    ]
    for (const [flag, value] of mistakes) {
      const { status, stderr } = convoy('train', flag!, value!, '--runs-dir', runs)
      assert.equal(status, 2, stderr)
      assert.match(stderr, new RegExp(`^✖ .*(${flag}|${value})`))
      assert.doesNotMatch(stderr, /\n\s+at /)
      assert.deepEqual(existsSync(runs) ? readdirSync(runs) : [], [], stderr)
    }
    rmSync(runs, { recursive: true })
  })

  it('names the flag or file of an invalid value', () => {
    for (const [args, message] of [
      [['worker', '--join', 'nonsense'], /^✖ --join: "nonsense" is not host:port/],
      [['bench', 'engine', '--peers', 'none,pytorch'], /^✖ --peers/],
      [['bench', 'engine', '--output', scratch], /^✖ --output .* it is a directory/],
      [['bench', 'engine', '--output', path.join(scratch, 'missing', 'file')], /^✖ --output .*ENOENT/],
      [['bench', 'prediction', '--recipe', 'nonsense'], /'--recipe <name>'.*Allowed choices are quick/],
      [['data', 'fetch', 'cifar10', '--from', 'nonsense'], /^✖ --from nonsense: give an http/],
      [['report', path.join(packageRoot, 'package.json')], /is no run directory: it lacks metrics.jsonl/],
      [['status', '--open', '--admin', '127.0.0.1:7701'], /'--open' cannot be used with option '--admin/],
    ] as const) {
      const { status, stderr } = convoy(...args)
      assert.equal(status, 2, stderr)
      assert.match(stderr, message)
    }
  })

  it('reports that no run is going on', () => {
    for (const command of [['status'], ['stop'], ['pause'], ['continue'], ['checkpoint'], ['drain', 'a']]) {
      const { status, stderr } = convoy(...command, '--runs-dir', scratch)
      assert.equal(status, 2)
      assert.match(stderr, /No run is going on/)
    }
    assert.match(convoy('checkpoint', 'lisst').stderr, /no such run directory, and no such subcommand: list, show, /)
    assert.equal(convoy('status', '--admin', '127.0.0.1:9').status, 1)
  })

  it('ends a worker that finds no coordinator within --patience', () => {
    const { status, stderr } = convoy('worker', '--join', '127.0.0.1:9', '--patience', '1')
    assert.equal(status, 1)
    assert.match(stderr, /No coordinator answers at 127\.0\.0\.1:9/)
  })
})

describe('a run from beginning to end', () => {
  const tiny = tinyDataset()
  const endless = ['train', '--data', tiny.directory, '--standalone', '--json', '--epochs', '1000']
  after(() => {
    tiny.remove()
  })

  it('is evaluated and saved when it is stopped; eval and predict use it', async () => {
    const two = ['train', '--data', tiny.directory, '--workers', '2', '--json', '--epochs', '1000']
    const launch = new Launch(two, tiny.environment, true)
    after(() => {
      launch.remove()
    })
    await launch.untilMetrics((line) => line['kind'] === 'step' && Number(line['step']) >= 3 && line['workers'] === 2)
    const { runDirectory, metrics } = await launch.announcement()
    assert.match(await (await fetch(metrics)).text(), /^convoy_workers\{.*\} 2$/m)
    const status = JSON.parse(convoy('status', runDirectory, '--json').stdout) as { state: string; workers: unknown[] }
    assert.equal(status.workers.length, 2)
    // A pause does not keep it from its end.
    assert.match(
      convoy('pause', runDirectory).stdout,
      /^The run is paused, after step \d+\. Its checkpoint is \/.*\.\n$/,
    )
    assert.equal(convoy('stop', runDirectory).status, 0)
    const result = await launch.result()
    const test = result['test'] as Json
    // Images are inspected only where the run took long compared with that.
    const files = readdirSync(runDirectory).filter((name) => name !== 'inspection.json')
    assert.deepEqual(files.sort(), [
      'checkpoints',
      'config.yaml',
      'convoy.log',
      'coordinator.json',
      'environment.json',
      'metrics.jsonl',
      'model',
      'result.json',
      'status.json',
      'tensorboard',
      'worker-0.log',
      'worker-1.log',
    ])

    const evaluated = JSON.parse(convoyWith(tiny.environment, 'eval', runDirectory, '--json').stdout) as Json
    for (const number of ['accuracy', 'loss', 'confusion']) assert.deepEqual(evaluated[number], test[number])

    const images = path.join(scratch, 'images')
    await sharp({ create: { width: 50, height: 40, channels: 3, background: 'green' } })
      .png()
      .toFile(path.join(scratch, 'green.png'))
    const broken = path.join(scratch, 'broken.jpg')
    writeFileSync(broken, 'no image')
    const predicted = convoy('predict', runDirectory, path.join(scratch, 'green.png'), '--json', '--top', '2')
    assert.equal(predicted.status, 0, predicted.stderr)
    const { predictions } = JSON.parse(predicted.stdout) as { predictions: { classes: { probability: number }[] }[] }
    assert.equal(predictions[0]!.classes.length, 2)
    assert.ok(predictions[0]!.classes[0]!.probability >= predictions[0]!.classes[1]!.probability)
    const mixed = convoy('predict', runDirectory, path.join(scratch, 'green.png'), broken)
    assert.equal(mixed.status, 1)
    assert.match(mixed.stderr, /broken\.jpg/)
    assert.match(mixed.stdout, /green\.png/)
    assert.equal(convoy('predict', runDirectory, images).status, 2)
  })

  it('saves the weights so far and exits 130 when it is interrupted', async () => {
    const launch = new Launch(endless, tiny.environment, true)
    after(() => {
      launch.remove()
    })
    await launch.untilMetrics((line) => line['kind'] === 'step' && Number(line['step']) >= 3)
    const { runDirectory } = await launch.announcement()
    launch.child.kill('SIGINT')
    assert.equal(await launch.status(), 130)
    const manifest = JSON.parse(readFileSync(path.join(runDirectory, 'model', 'last', 'convoy.json'), 'utf8')) as {
      step: number
    }
    assert.ok(manifest.step >= 3)
    assert.match(launch.stderr, /Interrupted/)
    assert.match(convoy('eval', runDirectory, '--weights', 'best').stderr, /holds no best weights.*--weights last/)
  })

  it('ends although its status cannot be written', async () => {
    const launch = new Launch(endless, tiny.environment, true)
    after(() => {
      launch.remove()
    })
    await launch.untilMetrics((line) => line['kind'] === 'step')
    const { runDirectory } = await launch.announcement()
    mkdirSync(path.join(runDirectory, 'status.json'))
    launch.child.kill('SIGINT')
    assert.equal(await launch.status(), 130)
    assert.match(launch.stderr, /Not everything was written at the end: .*status\.json/)
  })

  it('waits when no worker is left, and continues when one joins', async () => {
    const ports = ['--listen', '--admin-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0'])
    const run = ['--data', tiny.directory, '--max-steps', '8', '--json']
    const launch = new Launch(['coordinator', ...run, ...ports], tiny.environment)
    const { address } = await launch.announcement()
    await launch.untilMetrics((line) => line['kind'] === 'waiting')
    const first = new Launch(['worker', '--join', address], tiny.environment)
    await launch.untilMetrics((line) => line['kind'] === 'step')
    first.kill()
    await launch.untilMetrics((line) => line['kind'] === 'worker-left')
    const second = new Launch(['worker', '--join', address], tiny.environment)
    assert.equal((await launch.result())['steps'], 8)
    assert.equal(await second.status(), 0)
  })
})
