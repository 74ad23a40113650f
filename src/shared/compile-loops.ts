import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { cacheDirectory } from './cache-directory.js'
import { packageRoot } from './package-root.js'

/** Contraction would round once where TypeScript rounds twice. The other two flags change no value. */
const ARITHMETIC = ['-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math']
/** A Node thread unloads its addons when it ends; the addon's own threads need the code until the process ends. */
const STAYS_LOADED = '-Wl,-z,nodelete'
const FLAGS = ['-std=c++17', '-O3', ...ARITHMETIC, '-fPIC', '-shared', '-pthread', STAYS_LOADED]

/**
 * Compiles native/loops.cc into the cache, unless that was done.
 * @returns the path of the addon
 * @throws Error with the remedy when it cannot be compiled
 */
export function compiledLoops(): string {
  const sources = path.join(packageRoot, 'native')
  const hash = createHash('sha256').update(FLAGS.join(' '))
  for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(path.join(sources, name)))
  const directory = path.join(cacheDirectory(), 'runtime', 'native')
  const addon = path.join(directory, `loops-${hash.digest('hex').slice(0, 12)}-${process.arch}.node`)
  if (existsSync(addon)) return addon
  makeWithin(cacheDirectory(), directory)
  const { include_dir: headers } = createRequire(import.meta.url)('node-api-headers') as { include_dir: string }
  const unfinished = `${addon}.${randomBytes(6).toString('hex')}`
  const { error, status, stderr } = spawnSync(
    'g++',
    [...FLAGS, '-DNAPI_VERSION=8', `-I${headers}`, path.join(sources, 'loops.cc'), '-o', unfinished],
    { encoding: 'utf8' },
  )
  if (error) throw new Error('g++ is missing; install it (Debian, Ubuntu: apt-get install g++)')
  if (status !== 0) {
    rmSync(unfinished, { force: true })
    throw new Error(`g++ cannot compile native/loops.cc (${stderr.trim().split('\n')[0]}); use g++ 9 or newer`)
  }
  renameSync(unfinished, addon)
  return addon
}

/** Each one alone: a recursive call never returns for a place where the system allows no directory, such as /proc. */
function makeWithin(root: string, directory: string): void {
  if (existsSync(directory)) return
  if (directory !== root) makeWithin(root, path.dirname(directory))
  try {
    mkdirSync(directory)
  } catch (error) {
    // Another process may have been faster.
    if (!existsSync(directory)) throw error
  }
}
