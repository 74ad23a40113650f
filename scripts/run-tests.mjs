#!/usr/bin/env node
// Runs the compiled tests, three files at a time: many wait for processes and networks.
//
//     node scripts/run-tests.mjs                            all of them but those of test/long
//     node scripts/run-tests.mjs --long                     those of test/long
//     node scripts/run-tests.mjs runtime setup              the files with these words in their names
//     node scripts/run-tests.mjs --coverage                 and reports which lines of src run: a fifth slower
//     node scripts/run-tests.mjs --test-name-pattern dies   what begins with a dash goes to node --test
import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { isatty } from 'node:tty'
import { fileURLToPath } from 'node:url'
import { report } from './setup.mjs'

const FILE_TIMEOUT_MS = 10 * 60 * 1000

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const OWN_FLAGS = ['--coverage', '--long']
const wanted = process.argv.slice(2)
const [hasCoverage, areLong] = OWN_FLAGS.map((flag) => wanted.includes(flag))
const { words, flags } = sortArguments(wanted.filter((argument) => !OWN_FLAGS.includes(argument)))

// From the sources, not from dist: a test that was deleted must not go on passing.
const files = readdirSync(path.join(root, 'test'), { recursive: true })
  .filter((name) => name.endsWith('.test.ts') && name.startsWith('long') === areLong)
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .sort()
  .map((name) => path.join('dist', 'test', name.replace(/\.ts$/, '.js')))
if (files.length === 0) {
  report(`✖ No test file has ${words.join(' or ')} in its name.`)
  process.exit(2)
}

const reporters = [isatty(1) ? 'spec' : 'tap', path.join(root, 'scripts', 'slowest-tests.mjs')].flatMap((reporter) => [
  `--test-reporter=${reporter}`,
  '--test-reporter-destination=stdout',
])
const test = [
  '--enable-source-maps',
  '--test',
  '--test-concurrency=3',
  `--test-timeout=${FILE_TIMEOUT_MS}`,
  ...(flags.some((flag) => flag.startsWith('--test-reporter')) ? [] : reporters),
  ...flags,
  ...files,
]
const coverage = [
  ...[createRequire(import.meta.url).resolve('c8/bin/c8.js'), '--exclude-after-remap', '--include', 'src/**'],
  // One report after the other: together those of all processes do not fit into memory.
  '--merge-async',
  ...['--reporter', 'text-summary', '--reporter', 'lcov', process.execPath],
]
const { status, signal } = spawnSync(process.execPath, hasCoverage ? [...coverage, ...test] : test, {
  cwd: root,
  stdio: 'inherit',
})
rmSync(path.join(root, 'coverage', 'tmp'), { recursive: true, force: true })
if (signal !== null) report(`✖ The tests were ended by ${signal}.`)
process.exitCode = status ?? 1

/** A flag's value is the argument after it, unless it holds one (`--flag=value`). */
function sortArguments(all) {
  const words = []
  const flags = []
  for (const [index, argument] of all.entries()) {
    const isValue = index > 0 && all[index - 1].startsWith('-') && !all[index - 1].includes('=')
    if (argument.startsWith('-') || isValue) flags.push(argument)
    else words.push(argument)
  }
  return { words, flags }
}
