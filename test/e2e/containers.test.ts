import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'
import { COMPOSE_DIRECTORY, readCompose } from './containers/compose.js'
import type { CopyStep } from './containers/dockerfile.js'
import { readDockerfile, wordsOf } from './containers/dockerfile.js'
import { linters } from './containers/linters.js'

const stages = readDockerfile()
const last = stages.at(-1)!
const composed = readCompose('compose.yaml')
const gpu = readCompose('gpu.yaml')
const services = [composed, gpu].flatMap((file) => Object.values(file.services))
const COMPOSE_FILES = ['compose.yaml', 'gpu.yaml'].map((name) => path.join(COMPOSE_DIRECTORY, name))

/** Runs a program. @returns status and its output */
function run([program, ...args]: readonly string[], input?: string): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(program!, args, { cwd: packageRoot, encoding: 'utf8', input })
  return { status, text: `${stdout}${stderr}` }
}

/** Fails unless the words after `convoy` are a command and flags that it has. */
function assertCommandExists(words: readonly string[]): void {
  const firstFlag = words.findIndex((word) => word.startsWith('-'))
  const command = firstFlag === -1 ? words : words.slice(0, firstFlag)
  const { status, text } = run(['node', 'bin/convoy.mjs', ...command, '--help'])
  assert.equal(status, 0, `convoy ${command.join(' ')}: ${text}`)
  assert.match(text, new RegExp(`^Usage: convoy ${command.join(' ')} `))
  const known: string[] = text.match(/(?<=^ +)--[\w-]+/gm) ?? []
  for (const flag of words.filter((word) => word.startsWith('--')))
    assert.ok(known.includes(flag), `${flag} of ${command.join(' ')}`)
}

/** The port behind a flag of a command. */
function portOf(command: string, flag: string): string {
  return new RegExp(`${flag} [\\w.]+:(\\d+)`).exec(command)![1]!
}

describe('the Dockerfile', () => {
  it('passes hadolint, which rejects a base image without a version', () => {
    const { hadolint } = linters()
    const { status, text } = run([...hadolint, 'Dockerfile'])
    assert.equal(status, 0, text)
    const careless = run([...hadolint, '-'], 'FROM debian\nRUN cd /tmp\n')
    assert.equal(careless.status, 1)
    assert.match(careless.text, /DL3006/)
  })

  it('copies only files in git that .dockerignore permits, and uses all of those', () => {
    const wanted = new Set(
      stages.flatMap(({ copies }) => copies.filter(({ from }) => from === undefined)).flatMap(({ sources }) => sources),
    )
    const tracked = run(['git', 'ls-files']).text.split('\n')
    for (const source of wanted)
      assert.ok(
        tracked.some((file) => file === source || file.startsWith(`${source}/`)),
        source,
      )
    const [everything, ...exceptions] = readFileSync(path.join(packageRoot, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    assert.equal(everything, '*')
    const allowed = exceptions.map((line) => line.replace(/^!/, ''))
    const isIn = (outer: string) => (file: string) => file === outer || file.startsWith(`${outer}/`)
    for (const source of wanted)
      assert.ok(
        allowed.some((outer) => isIn(outer)(source)),
        `${source} is ignored`,
      )
    for (const outer of allowed) assert.ok([...wanted].some(isIn(outer)), `nothing copies ${outer}`)
  })

  it('copies only from earlier stages, and only outputs of the build', () => {
    for (const [index, { copies }] of stages.entries())
      for (const { from, sources } of copies.filter((copy) => copy.from !== undefined)) {
        assert.ok(
          stages.slice(0, index).some(({ name }) => name === from),
          from,
        )
        if (from === 'build') for (const source of sources) assert.ok(existsSync(inCheckout(source)), source)
      }
  })

  it('calls existing commands and flags', () => {
    const calls = stages
      .flatMap(({ runs }) => runs)
      .flatMap((text) => text.match(/(?<=node bin\/convoy\.mjs ).*/) ?? [])
    assert.equal(calls.length, 2)
    for (const call of calls)
      for (const variant of ['cpu', 'gpu']) assertCommandExists(call.replace('$RUNTIME', variant).split(' '))
    assertCommandExists(wordsOf('CMD'))
  })

  it('sets only variables that the code or the GPU runtime reads', () => {
    const sources = readdirSync(path.join(packageRoot, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(path.join(packageRoot, 'src', name), 'utf8'))
    const set = stages.flatMap(({ settings }) => settings).filter(({ keyword }) => keyword === 'ENV')
    for (const { text } of set) {
      const name = text.slice(0, text.indexOf('='))
      assert.ok(name === 'NVIDIA_DRIVER_CAPABILITIES' || sources.some((source) => source.includes(`'${name}'`)), name)
    }
  })

  it('removes no package that the code imports at run time', () => {
    const removal = stages.find(({ name }) => name === 'modules')!.runs[0]!
    const removed = [...removal.matchAll(/ node_modules\/(@?[a-z-]+)/g)].map((match) => match[1]!)
    assert.ok(removed.includes('typescript'))
    // Only what compiles needs the headers; in the image that is done.
    const running = readdirSync(path.join(packageRoot, 'dist', 'src'), { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.js') && !/\/compile-(addon|loops)\.js$/.test(name),
    )
    for (const name of running) {
      const text = readFileSync(path.join(packageRoot, 'dist', 'src', name), 'utf8')
      for (const one of removed) assert.ok(!new RegExp(`['"]${one}['"/]`).test(text), `${name} imports ${one}`)
    }
  })
})

describe('deploy/compose', () => {
  it('fits the Compose Specification, which rejects an unknown key', () => {
    const validate = [
      ...linters().checkJsonschema,
      '--default-filetype',
      'yaml',
      '--builtin-schema',
      'vendor.compose-spec',
    ]
    const { status, text } = run([...validate, ...COMPOSE_FILES])
    assert.equal(status, 0, text)
    const careless = readFileSync(COMPOSE_FILES[0]!, 'utf8').replace('stop_grace_period', 'stop_grace')
    assert.match(run([...validate, '-'], careless).text, /stop_grace/)
  })

  it(
    'is understood by Docker Compose, alone and with GPUs',
    { skip: spawnSync('docker', ['compose', 'version']).status !== 0 && 'docker compose is not installed' },
    () => {
      for (const files of [COMPOSE_FILES.slice(0, 1), COMPOSE_FILES]) {
        const words = [
          'docker',
          'compose',
          ...files.flatMap((file) => ['--file', file]),
          '--profile',
          '*',
          'config',
          '--quiet',
        ]
        const { status, text } = run(words)
        assert.equal(status, 0, text)
      }
    },
  )

  it('starts existing commands with existing flags', () => {
    const commands = new Set(services.flatMap(({ command }) => command ?? []))
    assert.equal(commands.size, 3)
    for (const command of commands) assertCommandExists(command.trim().split(/\s+/))
  })

  it('uses the same ports everywhere', () => {
    const { command, ports } = composed.services['coordinator']!
    const [listen, metrics] = [portOf(command, '--listen'), portOf(command, '--metrics-listen')]
    for (const worker of services.filter((service) => service.command?.startsWith('worker'))) {
      assert.equal(portOf(worker.command, '--join'), listen)
      assert.equal(portOf(worker.command, '--metrics-listen'), metrics)
    }
    assert.equal(portOf(wordsOf('CMD').join(' '), '--metrics-listen'), metrics)
    assert.match(wordsOf('HEALTHCHECK').at(-1)!, new RegExp(`//127\\.0\\.0\\.1:${metrics}/`))
    assert.equal(settingOf('EXPOSE'), `${listen} ${metrics}`)
    assert.deepEqual(ports, [`127.0.0.1:${metrics}:${metrics}`])
    const { path: file, env_file: variables } = composed.include![0]!
    assert.match(readFileSync(path.join(COMPOSE_DIRECTORY, variables), 'utf8'), /^CONVOY_TARGETS=compose$/m)
    const targets = path.join(COMPOSE_DIRECTORY, path.dirname(file), 'prometheus', 'targets', 'compose.yml')
    assert.match(readFileSync(targets, 'utf8'), new RegExp(`^- targets: \\['coordinator:${metrics}'\\]$`, 'm'))
  })

  it('mounts declared volumes where the code writes', () => {
    const cache = last.settings.find(({ text }) => text.startsWith('CONVOY_CACHE='))!.text.split('=')[1]!
    const written = [path.join(settingOf('WORKDIR'), 'runs'), path.join(cache, 'datasets'), '/dev/shm']
    const mounts = Object.values(composed.services).flatMap(({ volumes }) => volumes ?? [])
    assert.deepEqual(new Set(mounts.map((mount) => mount.split(':')[1])), new Set(written))
    for (const mount of mounts) assert.ok(mount.split(':')[0]! in composed.volumes!, mount)
  })

  it('starts the number of workers of the profile, each with a GPU of its own', () => {
    const workers = Object.entries(gpu.services).filter(([name]) => name.startsWith('worker'))
    const devices = workers.map(([, { gpus }]) => gpus![0]!.device_ids.join())
    assert.deepEqual(devices, ['0', '1', '2', '3', '4', '5', '6', '7'])
    for (const count of [2, 4, 8]) {
      const started = workers.filter(([name, { profiles }]) => name === 'worker' || profiles!.includes(`gpus-${count}`))
      assert.equal(started.length, count)
    }
  })
})

describe('the tree of the last stage', () => {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-image-'))
  const tiny = tinyDataset()
  const children: ChildProcess[] = []
  const programs = path.join(scratch, 'usr', 'local', 'bin')
  const environment = { ...tiny.environment, PATH: programs, HOME: scratch }
  before(() => {
    for (const copy of last.copies) copyInto(scratch, copy)
    // Like a RUN of the last stage.
    symlinkSync(path.join(scratch, 'opt', 'convoy', 'bin', 'convoy.mjs'), path.join(programs, 'convoy'))
  })
  after(() => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(scratch, { recursive: true, force: true })
    tiny.remove()
  })

  it('is sufficient for a coordinator and a worker to train and answer the health check', async () => {
    const start = (command: string): { output: () => string; status: Promise<number | null> } => {
      const words = command.trim().split(/\s+/)
      const child = spawn(path.join(programs, 'convoy'), words, { cwd: scratch, env: environment, stdio: 'pipe' })
      children.push(child)
      let text = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (more: Buffer) => (text += more.toString()))
      return { output: () => text, status: new Promise((resolve) => child.once('close', resolve)) }
    }
    // Free ports instead of those of the files, and a small data set.
    const { coordinator, worker } = composed.services
    const announcement = path.join(scratch, 'coordinator.json')
    const free = (command: string): string => command.replaceAll(/(listen [\d.]+):\d+/g, '$1:0')
    const small = `--admin-listen 127.0.0.1:0 --data ${tiny.directory} --epochs 100000 --announce ${announcement}`
    const first = start(`${free(coordinator!.command)} ${small}`)
    await until('the coordinator', () => existsSync(announcement))
    const { address, metrics, adminAddress } = JSON.parse(readFileSync(announcement, 'utf8')) as Record<string, string>
    const second = start(free(worker!.command).replace(/(?<=--join )\S+/, `127.0.0.1:${address!.split(':')[1]}`))
    await until('the metrics of the worker', () => /Metrics at \S+/.test(second.output()))

    for (const url of [metrics!, /Metrics at (\S+)/.exec(second.output())![1]!]) {
      const [program, ...args] = wordsOf('HEALTHCHECK').map((word) => word.replace(/:\d+/, `:${new URL(url).port}`))
      const check = (): number | null => spawnSync(path.join(programs, program!), args).status
      await until(`the health at ${url}`, () => check() === 0)
    }
    const page = await fetch(new URL('/page.css', metrics!.replace('0.0.0.0', '127.0.0.1')))
    assert.equal(page.status, 200)
    const status = (): { step: number } =>
      JSON.parse(
        execFileSync(path.join(programs, 'convoy'), ['status', '--admin', adminAddress!, '--json'], {
          env: environment,
          encoding: 'utf8',
        }),
      ) as { step: number }
    await until('ten steps', () => status().step >= 10)
    children[0]!.kill(settingOf('STOPSIGNAL') as NodeJS.Signals)
    assert.equal(await first.status, 0, first.output())
    assert.equal(await second.status, 0, second.output())
  })

  it('ends a worker that cannot load TensorFlow, although it serves metrics, so that it is restarted', () => {
    const words = ['worker', '--join', '127.0.0.1:1', '--metrics-listen', '127.0.0.1:0']
    const options = { env: { ...environment, CONVOY_CACHE: scratch }, encoding: 'utf8', timeout: 60_000 } as const
    const { status, stderr } = spawnSync(path.join(programs, 'convoy'), words, options)
    assert.equal(status, 1, stderr)
    assert.match(stderr, /The native TensorFlow runtime is not installed/)
  })
})

/** The value of the last instruction with this keyword in the last stage. */
function settingOf(keyword: string): string {
  return last.settings.findLast((setting) => setting.keyword === keyword)!.text
}

/** The path in this checkout of a file in the image's /opt/convoy. */
function inCheckout(file: string): string {
  return path.join(packageRoot, path.relative('/opt/convoy', file))
}

/** Carries out a COPY of the last stage with the build, packages and Node of this checkout. */
function copyInto(tree: string, { from, sources, target }: CopyStep): void {
  for (const source of sources) {
    const inTree = path.resolve('/opt/convoy', target)
    const to = path.join(tree, inTree, target.endsWith('/') ? path.basename(source) : '')
    mkdirSync(path.dirname(to), { recursive: true })
    if (from === undefined) cpSync(path.join(packageRoot, source), to, { recursive: true })
    else if (source === '/usr/local/bin/node') symlinkSync(process.execPath, to)
    // Copied, because a link would lead the code to the files of this checkout.
    else if (from === 'build') cpSync(inCheckout(source), to, { recursive: true })
    else if (from === 'modules') symlinkSync(inCheckout(source), to)
    // CONVOY_CACHE names the runtime and the data set of this machine; a checkout has no tini.
  }
}
