import { spawn } from 'node:child_process'
import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { ConvoyError } from './errors.js'
import { syncDirectory } from './sync-directory.js'

/** A disk that has to spin up needs a few seconds; a file server that is gone never answers. */
const LIMIT_MS = 10_000

/**
 * Makes a directory and its parents, with modes from the umask, and writes their names to the disk. Another process tries it first, for at most ten seconds: a call on a
 * mount whose server is gone never returns, and would keep this process from exiting.
 * @throws ConvoyError('environment') when the call does not return; otherwise the system's error
 */
export async function makeDirectory(directory: string): Promise<void> {
  await probe(directory)
  await makeEach(path.resolve(directory))
}

/** Runs `mkdir -p` and waits for its end. Its result is ignored: {@link makeEach} finds the error code. */
async function probe(directory: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn('mkdir', ['-p', '--', directory], { stdio: 'ignore' })
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      // A process that waits for a dead server ignores even SIGKILL.
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

/** Node's recursive mkdir is not used: it never returns below /proc, where directories exist but none can be made. */
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

/** Writes the name of a new directory to the disk. Where that cannot be done, the first checkpoint says so. */
export async function syncName(directory: string): Promise<void> {
  await syncDirectory(path.dirname(directory)).catch(() => undefined)
}

async function makeOne(directory: string): Promise<void> {
  try {
    await mkdir(directory)
    await syncName(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw error
    // File systems give different errors for an existing directory (EEXIST, EROFS, EISDIR).
    const found = await stat(directory).catch(() => undefined)
    if (!found?.isDirectory()) throw error
  }
}
