import { formatDuration } from '../../src/shared/units.js'
import { numberFlag, readFlagsAndWords, exitUsage } from '../support/developer-flags.js'
import { drawn, withWords } from './choose.js'
import { findInSimulation } from './in-simulation.js'
import { findInTests } from './in-tests.js'
import { NUMBER_MUTATIONS } from './numbers.js'
import { SCHEDULER_MUTATIONS } from './scheduler.js'
import { STORAGE_MUTATIONS } from './storage.js'
import type { Verdict } from './verdict.js'

const USAGE = `npm run mutation-test                          plants faults in scheduler and storage, which the simulation has to find
npm run mutation-test -- --numbers             plants faults in the numbers, which the tests have to find
npm run mutation-test -- quarantine silent     only those with one of these words in their names
npm run mutation-test -- --numbers --sample 10 --seed 1     ten of them, drawn with this seed`
const MAX_SEED = 2 ** 32 - 1

const { values, words } = readFlagsAndWords(USAGE, {
  numbers: { type: 'boolean', default: false },
  sample: { type: 'string' },
  seed: { type: 'string', default: '1' },
})
const sample = values.sample === undefined ? Infinity : numberFlag('--sample', values.sample, 1, 10_000, true)
const seed = numberFlag('--seed', values.seed, 0, MAX_SEED, true)

const over = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => over.abort())

const startedMs = performance.now()
const verdicts: Verdict[] = []
const record = (verdict: Verdict): void => {
  verdicts.push(verdict)
  process.stdout.write(`${verdict.isCaught ? '✔ caught' : '✖ missed'}  ${verdict.name}: ${verdict.how}\n`)
}
try {
  if (values.numbers) await findInTests(chosen(NUMBER_MUTATIONS), record, over.signal)
  else await findInSimulation(chosen([...SCHEDULER_MUTATIONS, ...STORAGE_MUTATIONS]), record, over.signal)
} catch (error) {
  process.stderr.write(`✖ ${(error as Error).message}\n`)
  process.exit(1)
}
if (over.signal.aborted) process.exit(130)

const missed = verdicts.filter(({ isCaught }) => !isCaught).map(({ name }) => name)
const duration = formatDuration((performance.now() - startedMs) / 1000)
process.stdout.write(`${verdicts.length - missed.length} of ${verdicts.length} faults caught in ${duration}\n`)
if (missed.length > 0) process.stdout.write(`Missed:\n${missed.map((name) => `  ${name}\n`).join('')}`)
process.exitCode = missed.length === 0 ? 0 : 1

function chosen<M extends { name: string; file: string; find: string; replace: string }>(all: readonly M[]): M[] {
  const named = withWords(all, words)
  if (named.length === 0)
    exitUsage(`no fault has ${words.join(' or ')} in its name:\n${all.map(({ name }) => `  ${name}`).join('\n')}`)
  return drawn(named, sample, seed)
}
