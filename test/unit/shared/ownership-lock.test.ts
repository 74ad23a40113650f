import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { OwnershipLock, ownerOf } from '../../../src/shared/ownership-lock.js'
import { inPidNamespace, whyNoPidNamespace } from '../../faults/chaos/pid-namespace.js'
import { until } from '../../support/until.js'

const MODULE = new URL('../../../src/shared/ownership-lock.js', import.meta.url).href
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-locks-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

/** The command line of a Node process that runs `source` with the exports of {@link MODULE} and `file` in scope. */
function script(source: string, file: string): string[] {
  const imports = `const { OwnershipLock, ownerOf } = await import('${MODULE}'); const file = process.argv[1]`
  return [process.execPath, '--input-type=module', '-e', `${imports}\n${source}`, file]
}

function run([program, ...args]: string[], environment: NodeJS.ProcessEnv = {}): { stdout: string; stderr: string } {
  return spawnSync(program!, args, { encoding: 'utf8', env: { ...process.env, ...environment } })
}

describe('the lock of an owner', () => {
  it('is held until its release, and leaves no file', () => {
    const file = path.join(scratch, 'released')
    assert.equal(ownerOf(file), 'none')
    const lock = OwnershipLock.take(file)!
    assert.equal(ownerOf(file), 'alive')
    lock.release()
    // A second release must not close a descriptor that was reused.
    const other = openSync(scratch, 'r')
    lock.release()
    closeSync(other)
    assert.equal(ownerOf(file), 'none')
    assert.deepEqual(readdirSync(scratch), [])
  })

  it('ends when its process is killed, although a child process lives on', async () => {
    const file = path.join(scratch, 'killed')
    const source = `
      import { spawn } from 'node:child_process'
      OwnershipLock.take(file)
      const child = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true })
      console.log(child.pid)
      setInterval(() => {}, 1000)`
    const [program, ...args] = script(source, file)
    const owner = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [output] = (await once(owner.stdout, 'data')) as [Buffer]
    const child = Number(output.toString())
    try {
      assert.equal(ownerOf(file), 'alive')
      owner.kill('SIGKILL')
      await once(owner, 'exit')
      assert.equal(ownerOf(file), 'ended')
    } finally {
      process.kill(child, 'SIGKILL')
    }
  })

  it(
    'fault 66: is visible from another PID namespace, and the other way round',
    { skip: whyNoPidNamespace() },
    async () => {
      const file = path.join(scratch, 'here')
      const lock = OwnershipLock.take(file)!
      assert.equal(run(inPidNamespace(...script('console.log(ownerOf(file))', file))).stdout, 'alive\n')
      lock.release()

      const there = path.join(scratch, 'there')
      const source = "OwnershipLock.take(file); console.log('taken'); setInterval(() => {}, 1000)"
      const [program, ...args] = inPidNamespace(...script(source, there))
      const owner = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(owner.stdout, 'data')
      assert.equal(ownerOf(there), 'alive')
      owner.kill('SIGKILL')
      await until('the end of the namespace', () => ownerOf(there) === 'ended')
    },
  )

  it('is not disturbed by concurrent checks', async () => {
    const file = path.join(scratch, 'watched')
    const source = "console.log(Array.from({ length: 20 }, () => ownerOf(file)).join(' '))"
    const check = async (): Promise<string> => {
      const [program, ...args] = script(source, file)
      const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      let output = ''
      child.stdout.on('data', (text: Buffer) => (output += text.toString()))
      await once(child, 'close')
      return output.trim()
    }
    writeFileSync(file, '')
    const results = await Promise.all([check(), check(), check()])
    for (const result of results) assert.equal(result, Array(20).fill('ended').join(' '))
  })

  it('is unknown for a broken link, and none in a missing directory', () => {
    const link = path.join(scratch, 'link')
    symlinkSync(path.join(scratch, 'nowhere'), link)
    assert.equal(ownerOf(link), 'unknown')
    assert.equal(ownerOf(path.join(scratch, 'gone', 'lock')), 'none')
  })

  it(
    'is unknown when its file belongs to another user and is not readable',
    { skip: process.getuid?.() !== 0 && 'only root can be another user' },
    () => {
      const file = path.join(scratch, 'private')
      writeFileSync(file, '')
      chmodSync(file, 0o600)
      chmodSync(scratch, 0o755)
      const source = 'process.setuid(4242); console.log(ownerOf(file))'
      assert.equal(run(script(source, file)).stdout, 'unknown\n')
    },
  )

  it('is not taken without flock: no owner counts as ended, and one line reports the cause', () => {
    const file = path.join(scratch, 'unlocked')
    const source = 'console.log(OwnershipLock.take(file), ownerOf(file), ownerOf(process.execPath))'
    const { stdout, stderr } = run(script(source, file), { PATH: '/nowhere' })
    assert.equal(stdout, 'undefined none unknown\n')
    assert.equal(existsSync(`${file}.new`), false)
    assert.match(
      stderr,
      /^Files cannot be locked here \(spawnSync flock ENOENT\): .* Install flock \(package util-linux\).*\n$/,
    )
  })
})
