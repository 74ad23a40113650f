import { constants } from 'node:fs'
import { access, readdir, statfs } from 'node:fs/promises'
import path from 'node:path'
import { hasEmbeddedDataset } from '../data/embedded.js'
import { bytesUnder } from '../shared/bytes-under.js'
import { cacheDirectory } from '../shared/cache-directory.js'
import { lockingProblem } from '../shared/ownership-lock.js'
import { isMissing } from '../shared/path-access.js'
import { formatBytes } from '../shared/units.js'
import type { Verdict } from './verdict.js'
import { examined, healthy, wrong } from './verdict.js'

/** Enough for a run's models and logs and a decoded data set. */
const MIN_FREE_BYTES = 1e9

/** A part of the per-user cache. */
export interface CachePart {
  readonly path: string
  readonly bytes: number
}

/** Sizes of the runtimes and data sets in the per-user cache. */
export async function measureCaches(): Promise<CachePart[]> {
  const parts: CachePart[] = []
  const cache = cacheIfAny()
  if (cache === undefined) return []
  for (const kind of ['runtime', 'datasets']) {
    const directory = path.join(cache, kind)
    for (const name of await directoriesIn(directory)) {
      const part = path.join(directory, name)
      parts.push({ path: part, bytes: await bytesUnder(part) })
    }
  }
  return parts
}

/** Undefined when the cache cannot be used; {@link examineStorage} reports why. */
function cacheIfAny(): string | undefined {
  try {
    return cacheDirectory()
  } catch {
    return undefined
  }
}

/** Checks that the cache and the working directory are writable with free space, that files can be locked, and that the data is decoded. */
export async function examineStorage(): Promise<Verdict[]> {
  return [
    await examined('cache', async () =>
      examineDirectory('cache', cacheDirectory(), 'set CONVOY_CACHE to a directory of yours with free space'),
    ),
    await examineDirectory('working directory', process.cwd(), 'choose another: `convoy train --runs-dir <directory>`'),
    await examined('locks', examineLocks),
    await examined('CIFAR-10', () =>
      healthy('CIFAR-10', hasEmbeddedDataset() ? 'decoded' : 'not decoded yet; the first training decodes it'),
    ),
  ]
}

async function examineDirectory(check: string, directory: string, remedy: string): Promise<Verdict> {
  const existing = await nearestExisting(directory)
  try {
    await access(existing, constants.W_OK)
  } catch {
    return wrong(check, `${existing} cannot be written`, remedy)
  }
  const { bavail, bsize } = await statfs(existing)
  const found = `${directory}, ${formatBytes(bavail * bsize)} free`
  return bavail * bsize >= MIN_FREE_BYTES ? healthy(check, found) : wrong(check, found, `free some space, or ${remedy}`)
}

/** Without locks no process can find out whether another one is alive: see src/shared/ownership-lock.ts. */
async function examineLocks(): Promise<Verdict> {
  const place = await nearestExisting(cacheIfAny() ?? process.cwd())
  const why = lockingProblem(place)
  return why === undefined
    ? healthy('locks', `flock works in ${place}`)
    : wrong(
        'locks',
        `flock does not work in ${place} (${why})`,
        'install flock (package util-linux), or choose another file system',
      )
}

async function nearestExisting(directory: string): Promise<string> {
  for (let at = directory; ; at = path.dirname(at)) {
    const exists = await access(at).then(
      () => true,
      // A directory that cannot be read exists.
      (error: unknown) => !isMissing(error),
    )
    if (exists || at === path.dirname(at)) return at
  }
}

async function directoriesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
}
