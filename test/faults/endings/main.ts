import { numberFlag, readFlags } from '../../support/developer-flags.js'
import { killLaunches } from '../../support/launch.js'
import { killTerminals } from '../../support/pseudo-terminal.js'
import { endingRuns } from './ending-runs.js'

const USAGE = `npm run endings -- --seed 1 --runs 50               runs that end in random moments and ways
npm run endings -- --seed 1 --only 17               one of them again
                 --slack 5                          seconds that a run may take beyond what it states`

const values = readFlags(USAGE, {
  seed: { type: 'string', default: '1' },
  runs: { type: 'string', default: '50' },
  only: { type: 'string' },
  slack: { type: 'string', default: '5' },
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    killLaunches()
    killTerminals()
    process.exit(130)
  })
}
const seed = numberFlag('--seed', values.seed, 0, 0xffff_ffff, true)
const only = values.only === undefined ? undefined : numberFlag('--only', values.only, 1, 1_000_000, true)
const runs = numberFlag('--runs', values.runs, 1, 1_000_000, true)
const violations = await endingRuns({
  seed,
  runs: only === undefined ? Array.from({ length: runs }, (_, index) => index + 1) : [only],
  slackSeconds: numberFlag('--slack', values.slack, 0, 600),
  log: (line) => process.stdout.write(`${line}\n`),
})
process.exitCode = violations.length === 0 ? 0 : 1
