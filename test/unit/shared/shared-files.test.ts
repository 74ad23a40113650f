import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { bytesOf } from '../../../src/shared/bytes-of.js'
import { SharedFiles } from '../../../src/shared/shared-files.js'

const created = SharedFiles.create()

describe('shared files', { skip: created === undefined && 'this machine has no /dev/shm' }, () => {
  const { files, offer } = created!
  after(() => {
    files.close()
  })

  it('transfer a vector bit for bit, also in place of a longer one', () => {
    const reader = SharedFiles.open(offer)!
    for (const vector of [Float32Array.of(1, -0, Infinity, 1e-40), Float32Array.of(0.1)]) {
      assert.equal(files.write('weights-0', bytesOf(vector)), true)
      const into = new Float32Array(vector.length)
      assert.equal(reader.read('weights-0', into), true)
      assert.deepEqual(bytesOf(into), bytesOf(vector))
    }
  })

  it('appear as a whole, never partially written', async () => {
    const vector = new Float32Array(32 * 1024 * 1024).fill(1)
    const write = `
      import { SharedFiles } from ${JSON.stringify(new URL('../../../src/shared/shared-files.js', import.meta.url).href)}
      import { workerData } from 'node:worker_threads'
      SharedFiles.open(workerData.offer).write('early', new Uint8Array(workerData.vector.buffer))`
    const source = new URL(`data:text/javascript,${encodeURIComponent(write)}`)
    const writer = new Worker(source, { workerData: { offer, vector } })
    const into = new Float32Array(vector.length)
    while (!files.read('early', into)) await setImmediate()
    assert.ok(bytesOf(into).equals(bytesOf(vector)))
    await once(writer, 'exit')
  })

  it('do not open with another proof or a directory elsewhere', () => {
    assert.equal(SharedFiles.open({ ...offer, proof: '00'.repeat(16) }), undefined)
    assert.equal(SharedFiles.open({ ...offer, proof: '' }), undefined)
    assert.equal(SharedFiles.open({ ...offer, directory: '/etc' }), undefined)
    assert.equal(SharedFiles.open({ ...offer, directory: `${offer.directory}/../../etc` }), undefined)
  })

  it('read as absent when missing, and fail at another length', () => {
    assert.equal(files.read('result-1', new Float32Array(2)), false)
    files.write('result-1', bytesOf(Float32Array.of(1, 2)))
    truncateSync(path.join(files.directory, 'result-1'), 5)
    assert.throws(() => files.read('result-1', new Float32Array(2)), /a vector of 5 bytes where 8 are expected/)
  })

  it('do not follow links or wait for pipes', () => {
    const file = path.join(files.directory, 'result-2')
    symlinkSync('/etc/hostname', file)
    assert.equal(files.read('result-2', new Float32Array(1)), false)
    assert.equal(files.write('result-2', new Uint8Array(4)), false)
    files.remove('result-2')
    spawnSync('mkfifo', [file])
    assert.throws(() => files.read('result-2', new Float32Array(1)), /a vector of 0 bytes/)
    files.remove('result-2')
  })

  it('stay in memory while they are mapped', () => {
    const { files: own, offer: ofOwn } = SharedFiles.create()!
    const vector = own.create('weights', 5_000, (why) => assert.fail(why))!
    const mapped = SharedFiles.open(ofOwn)!.map('weights', 5_000)!
    vector[4_999] = 3
    own.close()
    assert.equal(mapped[4_999], 3)
    assert.deepEqual([own.map('weights', 5_000), files.map('weights', 5_000)], [undefined, undefined])
  })

  it('are not mapped at another length', () => {
    files.create('weights', 5_000, (why) => assert.fail(why))
    assert.deepEqual([files.map('weights', 4_999), files.map('weights', 5_001)], [undefined, undefined])
    assert.equal(files.map('weights', 5_000)!.length, 5_000)
    files.remove('weights')
  })

  it('are removed together with the partial file of a killed writer', () => {
    writeFileSync(path.join(files.directory, 'result-3.new'), 'half')
    files.remove('result-3')
    assert.equal(existsSync(path.join(files.directory, 'result-3.new')), false)
  })

  it('are removed when their process exits without closing them', () => {
    const module = new URL('../../../src/shared/shared-files.js', import.meta.url).href
    const script = `const { SharedFiles } = await import('${module}'); console.log(SharedFiles.create().files.directory); process.exit(130)`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    assert.match(stdout, /^\/dev\/shm\/convoy-/)
    assert.equal(existsSync(stdout.trim()), false)
  })

  it('report a failed write', () => {
    assert.equal(files.write('no-such-directory/weights-0', new Uint8Array(4)), false)
  })

  it('of a killed coordinator are removed by the next coordinator', () => {
    const leftover = filesOfKilledProcess()
    assert.equal(existsSync(path.join(leftover, 'proof')), true)
    // A foreign file must not prevent the use of shared files.
    const strange = '/dev/shm/convoy-coordinator-0-link.lock'
    symlinkSync('/dev/shm/nowhere', strange)
    const next = SharedFiles.create()!
    rmSync(strange)
    assert.equal(existsSync(leftover), false)
    assert.equal(existsSync(files.directory), true)
    next.files.close()
    const rest = [leftover, next.files.directory].map((directory) => path.basename(directory))
    assert.deepEqual(
      readdirSync('/dev/shm').filter((name) => rest.some((directory) => name.startsWith(directory))),
      [],
    )
  })

  it('of a version without locks are kept, because they may be in use', () => {
    const { pid } = spawnSync(process.execPath, ['-e', ''])
    const earlier = [`/dev/shm/convoy-${pid}-abcdef`, `/dev/shm/convoy-coordinator-${pid}-abcdef`]
    try {
      for (const directory of earlier) mkdirSync(directory)
      SharedFiles.create()!.files.close()
      for (const directory of earlier) assert.ok(existsSync(directory), directory)
    } finally {
      for (const directory of earlier) rmSync(directory, { recursive: true, force: true })
    }
  })
})

/** Makes shared files in a process that is killed. @returns their directory */
function filesOfKilledProcess(): string {
  const module = new URL('../../../src/shared/shared-files.js', import.meta.url).href
  const script =
    `const { SharedFiles } = await import('${module}')\n` +
    "const { writeSync } = await import('node:fs')\n" +
    'writeSync(1, SharedFiles.create().files.directory)\n' +
    "process.kill(process.pid, 'SIGKILL')"
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).stdout
}
