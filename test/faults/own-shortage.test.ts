import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { tinyDataset } from '../support/tiny-dataset.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'

// A shortage of the process itself is reported as such, not as a fault of a file, peer, address or user.

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-shortage-'))
const tiny = tinyDataset()
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

/** Enough to load modules. */
const FEW_DESCRIPTORS = 300

/**
 * Runs a program in a process that has used up its descriptors.
 * @param imports such as `{ bind } from 'shared/protocol/listen'`, from src
 * @param attempt an expression; it is awaited
 * @returns its value, or the error's code and message
 */
function exhausted(imports: string, attempt: string): string {
  const [, names, module] = /^(\{.*\}) from '(.*)'$/.exec(imports)!
  const url = new URL(`../../src/${module}.js`, import.meta.url).href
  const script = `
    const { openSync, closeSync } = await import('node:fs')
    const ${names} = await import('${url}')
    const open = []
    try { for (;;) open.push(openSync('/dev/null')) } catch {}
    let outcome
    try { outcome = await (${attempt}) } catch (error) { outcome = error.code + ': ' + error.message }
    open.forEach((descriptor) => closeSync(descriptor))
    console.log(outcome)`
  const command = `ulimit -n ${FEW_DESCRIPTORS} && exec "$@"`
  const args = ['-c', command, 'sh', process.execPath, '--input-type=module', '-e', script]
  const { stdout, stderr } = spawnSync('sh', args, { encoding: 'utf8', env: { ...process.env, ...tiny.environment } })
  assert.equal(stderr, '')
  return stdout
}

describe('a process that cannot open more files', () => {
  const skip = existsSync('/dev/shm') ? false : 'this machine has no /dev/shm'

  it('fault 65: does not report a full /dev/shm', { skip }, () => {
    const outcome = exhausted(
      "{ SharedFiles } from 'shared/shared-files'",
      `(() => {
        for (const descriptor of open.splice(-50)) closeSync(descriptor)
        const { files } = SharedFiles.create()
        try { for (;;) open.push(openSync('/dev/null')) } catch {}
        let why
        const isWritten = files.write('weights-0', new Uint8Array(4), (reason) => { why = reason })
        closeSync(open.pop())
        files.close()
        return isWritten + ' ' + why
      })()`,
    )
    assert.match(outcome, /^false EMFILE.*: allow more open files \(ulimit -n\)\./)
  })

  it('fault 65: does not report an absent coordinator', () => {
    const outcome = exhausted(
      "{ callAdmin } from 'coordinator/admin-client'",
      `callAdmin('status', { admin: '127.0.0.1:9', runsDir: '' })`,
    )
    assert.match(outcome, /^unavailable: No connection can be made to 127\.0\.0\.1:9: this process lacks open files;/)
  })

  it('fault 65: does not report a port in use', () => {
    const outcome = exhausted(
      "{ bind } from 'shared/protocol/listen'",
      `bind((await import('node:net')).createServer(), '127.0.0.1:0', '--listen')`,
    )
    assert.match(outcome, /^environment: .*EMFILE.*ulimit -n/)
  })

  it('fault 65: does not report unreadable images and directories', () => {
    const directory = path.join(scratch, 'photos')
    mkdirSync(path.join(directory, 'cat'), { recursive: true })
    writeFileSync(path.join(directory, 'cat', 'one.png'), 'any')
    const walked = exhausted("{ walkDirectory } from 'shared/walk-directory'", `walkDirectory('${directory}')`)
    assert.match(walked, /^environment: EMFILE.*ulimit -n/)
    const read = exhausted(
      "{ readImageFolder } from 'data/formats/image-folder'",
      `readImageFolder('${directory}', { files: [{ path: 'cat/one.png', bytes: 3 }], directories: ['cat'], skipped: [] })`,
    )
    assert.match(read, /^environment: EMFILE.*ulimit -n/)
  })

  it('fault 65: does not report missing permissions of the cache or a damaged data set', () => {
    const listed = exhausted("{ listStoredDatasets } from 'data/cache/stored-datasets'", `listStoredDatasets()`)
    assert.match(listed, /^environment: EMFILE.*ulimit -n/)
    const staged = exhausted(
      "{ cacheNotWritten } from 'shared/staging'",
      `(() => { try { openSync('/dev/null') } catch (error) { return cacheNotWritten('/any', error).message } })()`,
    )
    assert.match(staged, /^environment: EMFILE.*ulimit -n/)
  })
})

describe('a run with few descriptors on one CPU', () => {
  it('fault 50: has the weights of one without limits', async () => {
    const node = path.join(scratch, 'limited-node')
    const limit = `ulimit -n ${FEW_DESCRIPTORS} && exec taskset -c 0 "$@"`
    writeFileSync(node, `#!/bin/sh\nexec sh -c '${limit}' sh ${process.execPath} "$@"\n`, { mode: 0o755 })
    const run = ['train', '--recipe', 'quick', '--data', tiny.directory, '--max-steps', '4', '--json']
    const [limited, unlimited] = [
      new Launch([...run, '--workers', '2', '--checkpoint-every', '1 step'], tiny.environment, false, node),
      new Launch([...run, '--standalone'], tiny.environment),
    ]
    const { weightsSha256, workers } = await limited.result()
    assert.equal(workers, 2)
    assert.equal(weightsSha256, (await unlimited.result())['weightsSha256'])
  })
})

/** A mount of its own at /dev/shm needs root. */
const mountOf = (size: string): string => `mount -t tmpfs -o size=${size} tmpfs /dev/shm`
const noMount =
  spawnSync('unshare', ['-m', 'sh', '-c', mountOf('64k')]).status === 0
    ? undefined
    : 'only root can mount a small /dev/shm'
if (noMount) process.stderr.write(`✖ Skipped, a full /dev/shm: ${noMount}\n`)

describe('a full /dev/shm', { skip: noMount ?? false }, () => {
  /** The best weights are not the last ones: they do not lie where the run's are trained. */
  const run = ['train', '--recipe', 'quick', '--data', tiny.directory, '--learning-rate', '3', '--max-steps', '14']

  async function trainedWith(size: string): Promise<{ result: Json; stderr: string }> {
    const node = path.join(scratch, `node-${size}`)
    const command = `#!/bin/sh\nexec unshare -m sh -c '${mountOf(size)} && exec "$@"' sh ${process.execPath} "$@"\n`
    writeFileSync(node, command, { mode: 0o755 })
    const launch = new Launch([...run, '--workers', '1', '--json'], tiny.environment, false, node)
    return { result: await launch.result(), stderr: launch.stderr }
  }

  it('is logged once by the coordinator and by the worker, with the remedy, and the run continues', async () => {
    const expected = await new Launch([...run, '--standalone', '--json'], tiny.environment).result()
    assert.equal(expected['bestStep'], 7)
    // No room for the weights; for them but not for a result; for all.
    for (const [size, areCopied, areSent] of [
      ['64k', true, ['Results', 'Weights']],
      ['700k', false, ['Results', 'Weights']],
      ['64m', false, []],
    ] as const) {
      const { result, stderr } = await trainedWith(size)
      for (const key of ['weightsSha256', 'bestStep']) assert.equal(result[key], expected[key], `${key} with ${size}`)
      assert.equal(lossOf(result), lossOf(expected))
      const lines = [...stderr.matchAll(/(Weights|Results) travel over the network.*/g)].map(([line]) => line)
      assert.deepEqual(lines.map((line) => line.split(' ')[0]).sort(), areSent, size)
      const copied = [...stderr.matchAll(/Weights are copied for workers of this machine: .*/g)].map(([line]) => line)
      assert.equal(copied.length, Number(areCopied), size)
      for (const line of [...lines, ...copied])
        assert.match(line, /is full: make \/dev\/shm larger \(containers: --shm-size\)\.$/)
    }
  })
})

/** Of the test of the best weights. */
function lossOf(result: Json): unknown {
  return (result['test'] as Json)['loss']
}
