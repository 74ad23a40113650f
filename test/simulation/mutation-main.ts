import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { packageRoot } from '../../src/shared/package-root.js'
import { refuse } from '../developer-flags.js'
import { MUTATIONS } from './mutations.js'

// npm run mutation-test: is the simulation worth its time? Breaks the core on purpose, in a copy, and sees whether it is noticed.
// npm run mutation-test -- quarantine silent: only those with one of these words in their names.

const RUNS = 1_000
const TIMEOUT_MS = 180_000

const words = process.argv.slice(2)
const chosen = MUTATIONS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
if (chosen.length === 0)
  refuse(`no mutation has ${words.join(' or ')} in its name:\n${MUTATIONS.map(({ name }) => `  ${name}`).join('\n')}`)

const copy = mkdtempSync(path.join(os.tmpdir(), 'convoy-mutation-'))
const over = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => over.abort())

let missed = 0
try {
  for (const name of ['dist', 'proto', 'package.json']) {
    cpSync(path.join(packageRoot, name), path.join(copy, name), { recursive: true })
  }
  symlinkSync(path.join(packageRoot, 'node_modules'), path.join(copy, 'node_modules'))
  for (const { name, file, find, replace } of chosen) {
    const target = path.join(copy, 'dist', 'src', file)
    const original = readFileSync(target, 'utf8')
    if (original.split(find).length !== 2) throw new Error(`${file} must have this exactly once: ${find}`)
    writeFileSync(
      target,
      original.replace(find, () => replace),
    )
    const how = await simulate()
    if (over.signal.aborted) break
    writeFileSync(target, original)
    if (how === undefined) missed++
    process.stdout.write(`${how === undefined ? '✖ missed' : '✔ caught'}  ${name}${how ? `: ${how}` : ''}\n`)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
if (over.signal.aborted) process.exit(130)
process.stdout.write(`${chosen.length - missed} of ${chosen.length} mutations caught, ${RUNS} runs each\n`)
process.exitCode = missed === 0 ? 0 : 1

/** @returns how the simulation of the copy noticed that something is wrong; undefined when it did not */
async function simulate(): Promise<string | undefined> {
  const main = path.join(copy, 'dist', 'test', 'simulation', 'main.js')
  // A process group of its own: what hangs is ended together with the processes that it started.
  const child = spawn(process.execPath, [main, '--runs', `${RUNS}`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()))
  const end = (): void => void process.kill(-child.pid!, 'SIGKILL')
  const timer = setTimeout(end, TIMEOUT_MS)
  over.signal.addEventListener('abort', end)
  await once(child, 'close')
  clearTimeout(timer)
  over.signal.removeEventListener('abort', end)
  // A run that was only slow has caught nothing.
  return (/^Seed .*$/m.exec(output) ?? /^\w*Error.*$/m.exec(output))?.[0]
}
