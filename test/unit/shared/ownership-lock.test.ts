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

/** The words of a Node that runs this with the names of {@link MODULE}, and `file`. */
function script(source: string, file: string): string[] {
  const imports = `const { OwnershipLock, ownerOf } = await import('${MODULE}'); const file = process.argv[1]`
  return [process.execPath, '--input-type=module', '-e', `${imports}\n${source}`, file]
}

function run([program, ...args]: string[], environment: NodeJS.ProcessEnv = {}): { stdout: string; stderr: string } {
  return spawnSync(program!, args, { encoding: 'utf8', env: { ...process.env, ...environment } })
}

describe('the lock of an owner', () => {
  it('is held until it is released, and leaves no file', () => {
    const file = path.join(scratch, 'released')
    assert.equal(ownerOf(file), 'none')
    const lock = OwnershipLock.take(file)!
    assert.equal(ownerOf(file), 'alive')
    lock.release()
    // A second time does not close a descriptor that is somebody else's by now.
    const other = openSync(scratch, 'r')
    lock.release()
    closeSync(other)
    assert.equal(ownerOf(file), 'none')
    assert.deepEqual(readdirSync(scratch), [])
  })

  it('is dropped when its process is killed, although a child of it lives on', async () => {
    const file = path.join(scratch, 'killed')
    const source = `
      import { spawn } from 'node:child_process'
      OwnershipLock.take(file)
      const child = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true })
      console.log(child.pid)
      setInterval(() => {}, 1000)`
    const [program, ...args] = script(source, file)
    const owner = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said] = (await once(owner.stdout, 'data')) as [Buffer]
    const child = Number(said.toString())
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
    'fault 66: is seen from another PID namespace, and the other way round',
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

  it('is not disturbed by many who look at once', async () => {
    const file = path.join(scratch, 'watched')
    const source = "console.log(Array.from({ length: 20 }, () => ownerOf(file)).join(' '))"
    const look = async (): Promise<string> => {
      const [program, ...args] = script(source, file)
      const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      let said = ''
      child.stdout.on('data', (text: Buffer) => (said += text.toString()))
      await once(child, 'close')
      return said.trim()
    }
    writeFileSync(file, '')
    const looks = await Promise.all([look(), look(), look()])
    for (const seen of looks) assert.equal(seen, Array(20).fill('ended').join(' '))
  })

  it('says nothing about a link, a file that cannot be opened, or a directory that is gone', () => {
    const link = path.join(scratch, 'link')
    symlinkSync(path.join(scratch, 'nowhere'), link)
    assert.equal(ownerOf(link), 'unknown')
    assert.equal(ownerOf(path.join(scratch, 'gone', 'lock')), 'none')
  })

  it(
    'of another user who lets nobody read it is unknown',
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

  it('is not pretended where there is no flock: no file says that its owner ended, and one line says why', () => {
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
