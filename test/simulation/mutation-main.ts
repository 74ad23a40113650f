import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { packageRoot } from '../../src/shared/package-root.js'
import { MUTATIONS } from './mutations.js'

// npm run mutation-test: is the simulation worth its time? Breaks the core on purpose, in a copy, and sees whether it is noticed.

const RUNS = 1_000
const TIMEOUT_MS = 180_000

// npm run mutation-test -- quarantine silent: only those with one of these words in their names.
const words = process.argv.slice(2)
const chosen = MUTATIONS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))

const copy = mkdtempSync(path.join(os.tmpdir(), 'convoy-mutation-'))
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
    const main = path.join(copy, 'dist', 'test', 'simulation', 'main.js')
    const { stdout, stderr } = spawnSync(process.execPath, [main, '--runs', `${RUNS}`], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
    })
    writeFileSync(target, original)
    // A run that was only slow has caught nothing.
    const how = /^Seed .*$/m.exec(stdout)?.[0] ?? /^\w*Error.*$/m.exec(stderr)?.[0]
    if (how === undefined) missed++
    process.stdout.write(`${how === undefined ? '✖ missed' : '✔ caught'}  ${name}${how ? `: ${how}` : ''}\n`)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
process.stdout.write(`${chosen.length - missed} of ${chosen.length} mutations caught, ${RUNS} runs each\n`)
process.exitCode = missed === 0 ? 0 : 1
