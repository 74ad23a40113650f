#!/usr/bin/env node
// Sets up a checkout, using only Node's own modules: packages, build, native runtime, data. Steps with nothing to do are skipped, so a
// second call takes a few milliseconds. After an interruption, the next call continues.
//
//     node scripts/setup.mjs [--development]     (--development adds the tools that `npm test` needs)
//     node scripts/setup.mjs --packages          the packages of --development alone, before a tool is run that needs them
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = path.resolve(import.meta.dirname ?? path.dirname(fileURLToPath(import.meta.url)), '..')
const at = (...parts) => path.join(root, ...parts)

/** A failure that one sentence explains. */
export class SetupError extends Error {}

/**
 * @param {{ development?: boolean, runtime?: boolean, cifar10?: boolean }} options `runtime: false` stops after the build,
 *   `cifar10: false` before the data set
 * @throws {SetupError} with the problem and its remedy in one sentence
 */
export async function ensureSetup(options = {}) {
  try {
    await makeReady(options)
  } catch (error) {
    throw explained(error)
  }
}

/** Explains an error of the system in one sentence. Returns a bug unchanged. */
function explained(error) {
  if (isExpected(error) || error.syscall === undefined || error.code === undefined) return error
  const where = error.path ?? root
  const remedy = ['ENOSPC', 'EDQUOT'].includes(error.code)
    ? 'make room there'
    : 'this user must be able to read and write it; a checkout of another user is made ready by that one (npm run setup)'
  return new SetupError(`Set-up cannot use ${where} (${error.code}): ${remedy}.`)
}

async function makeReady({ development = false, runtime = true, cifar10 = true }) {
  // A container image was set up when it was built, and contains no sources.
  if (!existsSync(at('src', 'tsconfig.json')) && existsSync(at('dist', 'src', 'cli', 'main.js'))) return
  const problem = nodeProblem(process.versions.node, development)
  if (problem !== undefined) throw new SetupError(problem)
  const packages = () => packagesReady(development)
  const build = () => buildReady(development)
  if (!packages() || !build()) {
    // Two at once would delete each other's files. The second checks again when the first is done.
    await alone(async () => {
      await step('packages', packages, () => installPackages(development))
      await step('build', build, () => compile(development))
    })
  }
  linkCommand()
  if (!runtime) return
  const { findRuntime } = await load('tensorflow/runtime/runtime-directory.js')
  const installed = () => findRuntime() !== undefined
  await step('native TensorFlow', installed, async () => {
    const { ensureRuntime } = await load('tensorflow/runtime/install-runtime.js')
    await ensureRuntime({ report })
  })
  if (!cifar10) return
  const { hasEmbeddedDataset, ensureEmbeddedDataset } = await load('data/embedded.js')
  await step('CIFAR-10', hasEmbeddedDataset, () => ensureEmbeddedDataset(report))
}

/** Least minor version by major one, from what the packages ask for; the development tools ask for more. */
const MIN_MINOR = { 20: 17, 22: 9, 23: 0, 24: 0 }
const MIN_MINOR_OF_TOOLS = { 20: 19, 22: 13, 24: 0 }

/** The problem of this version of Node, if there is one. */
export function nodeProblem(version, development = false) {
  const [major, minor] = version.split('.').map(Number)
  if (minor >= (development ? MIN_MINOR_OF_TOOLS : MIN_MINOR)[major]) return undefined
  const wanted = development
    ? "Convoy's tests run on Node 20.19+, 22.13+ or 24"
    : 'Convoy runs on Node 20.17+, 22.9+, 23 or 24'
  return `${wanted}, and this is ${version}: install Node 24.`
}

/**
 * The packages of a development checkout, without build, runtime and data.
 * @throws {SetupError} with the problem and its remedy in one sentence
 */
export async function ensureTools() {
  const problem = nodeProblem(process.versions.node, true)
  if (problem !== undefined) throw new SetupError(problem)
  const packages = () => packagesReady(true)
  if (!packages()) await alone(() => step('packages', packages, () => installPackages(true)))
  linkCommand()
}

async function step(name, isReady, work) {
  if (isReady()) return
  report(`Set-up: ${name} …`)
  const started = performance.now()
  await work()
  report(`Set-up: ${name} ready after ${((performance.now() - started) / 1000).toFixed(1)} s`)
}

/** Characters that control a terminal, as in src/shared/log/printable.ts, which is not built yet. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu

/**
 * Writes a text to stderr: standard output belongs to the command. Its lines are kept, and nothing in it moves the cursor.
 * @param {string} text
 */
export function report(text) {
  const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  const printable = (line) => line.replace(UNPRINTABLE, (character) => character.split('').map(escaped).join(''))
  // eslint-disable-next-line no-restricted-properties -- the one place where set-up writes
  const { stderr } = process
  // The reader is gone: set-up continues.
  if (stderr.listenerCount('error') === 0) stderr.on('error', () => undefined)
  stderr.write(`${text.split('\n').map(printable).join('\n')}\n`)
}

function load(module) {
  return import(pathToFileURL(at('dist', 'src', module)).href)
}

// Packages: a stamp in node_modules names its lock file. npm ci deletes the stamp with the rest.

const PACKAGES_STAMP = at('node_modules', '.convoy-packages')

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(at('package-lock.json')))
    .digest('hex')
}

function packagesReady(development) {
  const stamp = read(PACKAGES_STAMP)
  return stamp === `${lockHash()} development` || (!development && stamp === `${lockHash()} plain`)
}

/** A development checkout stays one. */
async function installPackages(asked) {
  const development = asked || read(PACKAGES_STAMP)?.endsWith(' development') === true
  const args = ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error']
  const { status, output } = await run('npm', development ? args : [...args, '--omit=dev'])
  if (status === 127)
    throw new SetupError('npm is missing: install Node with npm (Node 22 or 24 from your system or a version manager).')
  if (status !== 0 && /uv_os_homedir|npm error code (EACCES|EPERM|EROFS)/.test(output)) {
    const where = /npm error path (.*)/.exec(output)?.[1]
    throw new SetupError(
      `npm cannot write ${where ?? 'into a home directory, which this user lacks'}: set HOME to a writable directory, and run set-up as the owner of ${root}.`,
    )
  }
  if (status !== 0) {
    const reason = output.split('\n').find((line) => line.startsWith('npm error')) ?? output.trim().split('\n').at(-1)
    throw new SetupError(
      `npm cannot install the packages (${reason}): check the network and npm's registry (npm config get registry), then run the same command again.`,
    )
  }
  writeFileSync(PACKAGES_STAMP, `${lockHash()} ${development ? 'development' : 'plain'}`)
}

/** `npx convoy` finds this checkout's own command. */
function linkCommand() {
  const link = at('node_modules', '.bin', 'convoy')
  if (existsSync(link)) return
  mkdirSync(path.dirname(link), { recursive: true })
  rmSync(link, { force: true })
  symlinkSync(path.join('..', '..', 'bin', 'convoy.mjs'), link)
}

// Build: the stamp holds the names, sizes and times of the sources that were compiled.

/** Sources besides src that only developers need. */
const OF_DEVELOPERS = ['generators', 'test']

const BUILD_STAMP = at('dist', '.convoy-build')

function sourcesOf(projects) {
  const files = projects.flatMap((project) =>
    readdirSync(at(project), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name)),
  )
  const lines = [...files, at('tsconfig.base.json'), at('package-lock.json')].sort().map((file) => {
    const { size, mtimeMs } = statSync(file)
    return `${path.relative(root, file)} ${size} ${mtimeMs}`
  })
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

function buildReady(development) {
  const [src, others] = read(BUILD_STAMP)?.split('\n') ?? []
  return src === sourcesOf(['src']) && (!development || others === sourcesOf(OF_DEVELOPERS))
}

async function compile(development) {
  const stamp = [sourcesOf(['src']), development ? sourcesOf(OF_DEVELOPERS) : ''].join('\n')
  const compiler = at('node_modules', 'typescript', 'bin', 'tsc')
  const main = [at('src'), at('src', 'reporting', 'page', 'browser')]
  const projects = development ? [...main, at('generators'), at('test')] : main
  const { status, output } = await run(process.execPath, [compiler, '--build', ...projects])
  if (status !== 0) throw new SetupError(`The sources do not compile:\n${output.trim()}`)
  writeFileSync(BUILD_STAMP, stamp)
}

// One set-up at a time in a checkout: the file stays, its lock is dropped with the process that holds it (docs/decisions/008-ownership-locks.md).

const LOCK = at('dist', '.convoy-setup')
const LOCK_POLL_MS = 200

async function alone(work) {
  mkdirSync(path.dirname(LOCK), { recursive: true })
  const lock = openSync(LOCK, 'a+')
  try {
    for (let waiting = false; !takeLock(lock); waiting = true) {
      if (!waiting) report(`Set-up: waiting for the set-up of process ${read(LOCK)} …`)
      await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS))
    }
    // For processes that wait.
    ftruncateSync(lock)
    writeSync(lock, String(process.pid))
    await work()
  } finally {
    closeSync(lock)
  }
}

function takeLock(lock) {
  // It belongs to the open file of this process, and stays when the command has ended.
  const stdio = ['ignore', 'ignore', 'pipe', lock]
  const { status, stderr, error } = spawnSync('flock', ['-x', '-n', '3'], { stdio, encoding: 'utf8' })
  if (status === 0) return true
  if (status === 1 && stderr === '') return false
  report(`Set-up: ${LOCK} cannot be locked (${error?.message ?? stderr.trim()}): run one set-up at a time here.`)
  return true
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const keep = (text) => (output += text)
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => resolve({ status: error.code === 'ENOENT' ? 127 : 126, output: error.message }))
    child.on('close', (status) => resolve({ status: status ?? 128, output }))
  })
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const ready = process.argv.includes('--packages')
    ? ensureTools()
    : ensureSetup({ development: process.argv.includes('--development') })
  ready.catch((error) => {
    report(isExpected(error) ? `✖ ${error.message}` : error.stack)
    process.exitCode = 1
  })
}

/** Whether an error has a message for people: this file's errors and Convoy's own. */
export function isExpected(error) {
  return error instanceof SetupError || error.isExpected === true
}
