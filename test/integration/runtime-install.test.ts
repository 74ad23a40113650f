import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { findRuntime, readRuntime } from '../../src/tensorflow/runtime/runtime-directory.js'
import { createStaging } from '../../src/shared/staging.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-runtime-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

/** An empty directory. */
function fresh(): string {
  return mkdtempSync(path.join(scratch, 'case-'))
}

interface Ending {
  status: number | null
  stdout: string
  stderr: string
}

/** `convoy runtime …` with a cache of its own. */
async function convoyRuntime(args: string[], cache: string, environment: NodeJS.ProcessEnv = {}): Promise<Ending> {
  const main = new URL('../../src/cli/main.js', import.meta.url).href
  const program = `import(${JSON.stringify(main)}).then(({ main }) => main(['node', 'convoy', ...process.argv.slice(1)]))`
  const child = spawn(process.execPath, ['-e', program, '--', 'runtime', ...args], {
    env: { ...process.env, CONVOY_CACHE: cache, ...environment },
  })
  const ending = { stdout: '', stderr: '' }
  child.stdout.on('data', (text: Buffer) => (ending.stdout += text.toString()))
  child.stderr.on('data', (text: Buffer) => (ending.stderr += text.toString()))
  return new Promise((resolve) =>
    child.once('close', (status) => {
      resolve({ status, ...ending })
    }),
  )
}

/** A PATH with only these programs. */
function pathWith(...programs: string[]): string {
  const directory = fresh()
  for (const program of programs) symlinkSync(whereIs(program), path.join(directory, program))
  return directory
}

function whereIs(program: string): string {
  const found = process.env['PATH']!.split(':').find((directory) => existsSync(path.join(directory, program)))
  assert.ok(found, `${program} is needed for this test`)
  return path.join(found, program)
}

/** Asserts the status, the last line, and that no files are left. */
async function assertFails(running: Promise<Ending>, cache: string, status: number, sentence: RegExp): Promise<void> {
  const ending = await running
  assert.match(ending.stderr.trim().split('\n').at(-1)!, sentence)
  assert.equal(ending.status, status)
  assert.equal(ending.stdout, '')
  const root = path.join(cache, 'runtime')
  assert.deepEqual(existsSync(root) ? readdirSync(root) : [], [])
}

describe('an installation of the native runtime that cannot succeed', () => {
  it('names g++ when it is missing, before it downloads anything', async () => {
    const cache = fresh()
    const running = convoyRuntime(['install', '--cpu'], cache, { PATH: pathWith('python3') })
    await assertFails(running, cache, 1, /^✖ g\+\+ is missing.*apt-get install g\+\+\)\.$/)
  })

  it('names python3 when it is missing', async () => {
    const cache = fresh()
    const running = convoyRuntime(['install', '--cpu'], cache, { PATH: pathWith('g++') })
    await assertFails(running, cache, 1, /^✖ python3 is missing.*apt-get install python3 python3-pip\)\.$/)
  })

  it('names pip when python3 has none', async () => {
    const cache = fresh()
    const PATH = pathWith('g++')
    // -S: Python without its site-packages, and so without pip.
    writeFileSync(path.join(PATH, 'python3'), `#!/bin/sh\nPATH=/usr/bin:/bin exec ${whereIs('python3')} -I -S "$@"\n`)
    chmodSync(path.join(PATH, 'python3'), 0o755)
    await assertFails(
      convoyRuntime(['install', '--cpu'], cache, { PATH }),
      cache,
      1,
      /^✖ pip is missing.*python3-pip\)\.$/,
    )
  })

  it('rejects a wheel that is not the published one', async () => {
    const [cache, wheels] = [fresh(), fresh()]
    const [name, machine] = process.arch === 'arm64' ? ['tensorflow', 'aarch64'] : ['tensorflow_cpu', 'x86_64']
    const tags = `cp311-cp311-manylinux_2_17_${machine}.manylinux2014_${machine}`
    writeFileSync(path.join(wheels, `${name}-2.20.0-${tags}.whl`), 'cut off')
    const running = convoyRuntime(['install', '--cpu'], cache, { PIP_NO_INDEX: '1', PIP_FIND_LINKS: wheels })
    await assertFails(running, cache, 1, /^✖ The downloaded TensorFlow is not the one that was published/)
  })

  it('reports that the package index cannot be reached', async () => {
    const cache = fresh()
    const running = convoyRuntime(['install', '--cpu'], cache, {
      PIP_INDEX_URL: 'http://127.0.0.1:9/simple',
      PIP_EXTRA_INDEX_URL: '',
      PIP_FIND_LINKS: '',
      PIP_RETRIES: '1',
    })
    await assertFails(
      running,
      cache,
      1,
      /^✖ pip cannot reach its package index \(.*Connection refused\): check the network/,
    )
  })

  it('rejects --from with a directory without TensorFlow, as a mistake of the user', async () => {
    const cache = fresh()
    const running = convoyRuntime(['install', '--from', fresh()], cache)
    await assertFails(running, cache, 2, /^✖ --from .* contains no TensorFlow with its C\+\+ libraries and headers/)
  })

  it('leaves nothing behind when the compiler fails', async () => {
    const [cache, from] = [fresh(), fresh()]
    mkdirSync(path.join(from, 'include', 'tensorflow'), { recursive: true })
    for (const library of ['cc', 'framework'])
      writeFileSync(path.join(from, `libtensorflow_${library}.so.2`), 'no library')
    const running = convoyRuntime(['install', '--from', from], cache)
    await assertFails(running, cache, 1, /^✖ g\+\+ cannot compile the Node addon for TensorFlow/)
  })

  it('rejects --cpu together with --gpu', async () => {
    const cache = fresh()
    const ending = await convoyRuntime(['install', '--cpu', '--gpu'], cache)
    assert.equal(ending.status, 2)
    assert.match(ending.stderr, /cannot be used with option/)
  })
})

describe('an installed runtime', () => {
  it('is not found in an empty cache; runtime show names the remedy', async () => {
    const cache = fresh()
    assert.equal(findRuntime({ CONVOY_CACHE: cache }), undefined)
    await assertFails(
      convoyRuntime(['show'], cache),
      cache,
      1,
      /^✖ No native TensorFlow is installed\. Run `npx convoy/,
    )
  })

  it('is ignored with another version of tfjs-node or a truncated manifest', () => {
    const directory = fresh()
    const manifest = { kind: 'cpu', tensorflowVersion: '2.20.0', source: 'a test' }
    writeFileSync(path.join(directory, 'runtime.json'), JSON.stringify({ ...manifest, tfjsVersion: '4.22.0' }))
    assert.equal(readRuntime(directory)?.tensorflowVersion, '2.20.0')
    writeFileSync(path.join(directory, 'runtime.json'), JSON.stringify({ ...manifest, tfjsVersion: '4.21.0' }))
    assert.equal(readRuntime(directory), undefined)
    writeFileSync(path.join(directory, 'runtime.json'), '{"kind": "cp')
    assert.equal(readRuntime(directory), undefined)
  })

  const runtime = findRuntime()
  const isPinned = runtime !== undefined && !path.basename(runtime.directory).includes('-from-')
  it('is reused without building it again', { skip: !isPinned }, async () => {
    const cache = fresh()
    mkdirSync(path.join(cache, 'runtime'))
    const name = path.basename(runtime!.directory)
    symlinkSync(runtime!.directory, path.join(cache, 'runtime', name))
    const ending = await convoyRuntime(['install', `--${runtime!.kind}`], cache)
    assert.equal(ending.stderr, '')
    assert.match(ending.stdout, /^TensorFlow \d+\.\d+\.\d+ for (cpu|gpu) is in use/)
    assert.equal(findRuntime({ CONVOY_CACHE: cache })?.directory, path.join(cache, 'runtime', name))
  })
})

describe('the staging directory of an installation', () => {
  it('is removed by the next installation when its process was killed, and kept while it lives', async () => {
    const root = fresh()
    const abandoned = leftBehind(root)
    assert.ok(existsSync(abandoned))
    const mine = await createStaging(root)
    const second = await createStaging(root)
    assert.equal(existsSync(abandoned), false)
    for (const { directory } of [mine, second]) assert.ok(existsSync(directory), directory)
    for (const staging of [mine, second]) await staging.remove()
    assert.deepEqual(readdirSync(root), [])
  })

  it('is kept for a day without a lock or with one of another machine, because it may be in use', async () => {
    const root = fresh()
    const dead = spawnSync(process.execPath, ['-e', '']).pid
    const earlier = path.join(root, `.staging-${os.hostname()}-${dead}-abcdef`)
    const elsewhere = path.join(root, '.staging-00000000-abcdefabcdef')
    for (const directory of [earlier, elsewhere]) mkdirSync(directory)
    // Some network file systems show this for a lock held on another machine.
    writeFileSync(`${elsewhere}.lock`, '')
    await (await createStaging(root)).remove()
    assert.deepEqual([earlier, elsewhere].map(existsSync), [true, true])
    const twoDaysAgo = Date.now() / 1000 - 2 * 24 * 3600
    for (const name of readdirSync(root)) utimesSync(path.join(root, name), twoDaysAgo, twoDaysAgo)
    await (await createStaging(root)).remove()
    assert.deepEqual(readdirSync(root), [])
  })
})

/** Starts an installation in a process that is killed. @returns its staging directory */
function leftBehind(root: string): string {
  const module = new URL('../../src/shared/staging.js', import.meta.url).href
  const script =
    `const { createStaging } = await import('${module}')\n` +
    "const { writeSync } = await import('node:fs')\n" +
    'writeSync(1, (await createStaging(process.argv[1])).directory)\n' +
    "process.kill(process.pid, 'SIGKILL')"
  return spawnSync(process.execPath, ['--input-type=module', '-e', script, root], { encoding: 'utf8' }).stdout
}
