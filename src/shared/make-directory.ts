import { spawn } from 'node:child_process'
import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { ConvoyError } from './errors.js'

/** A disk that must spin up needs some; a file server that is gone never answers. */
const LIMIT_MS = 10_000

/**
 * Makes a directory and those above it, as the umask says. Another process tries it first, for at most ten seconds: a call on a
 * mount whose server is gone does not return, and would keep this process from ending too.
 * @throws ConvoyError('environment') when it does not return, and the system's error when it is refused
 */
export async function makeDirectory(directory: string): Promise<void> {
  await probe(directory)
  await makeEach(path.resolve(directory))
}

/** Whether `mkdir -p` returns; what it answers is found out again, with the error's code. */
async function probe(directory: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn('mkdir', ['-p', '--', directory], { stdio: 'ignore' })
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      // A process that waits for a dead server does not even hear that.
      child.unref()
      reject(
        new ConvoyError(
          'environment',
          `${directory}: the file system has not answered for ${LIMIT_MS / 1000} s; check the mount, or choose another directory.`,
        ),
      )
    }, LIMIT_MS)
    const end = (): void => {
      clearTimeout(timer)
      resolve()
    }
    child.once('error', end)
    child.once('exit', end)
  })
}

/** Not by Node's recursive mkdir: it never returns below /proc, where a directory is there and no directory can be made in it. */
async function makeEach(directory: string): Promise<void> {
  try {
    await makeOne(directory)
  } catch (error) {
    const parent = path.dirname(directory)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === directory) throw error
    await makeEach(parent)
    await makeOne(directory)
  }
}

async function makeOne(directory: string): Promise<void> {
  try {
    await mkdir(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw error
    // Whatever a file system answers about a directory that is there (EEXIST, EROFS, EISDIR): it is there.
    const found = await stat(directory).catch(() => undefined)
    if (!found?.isDirectory()) throw error
  }
}
