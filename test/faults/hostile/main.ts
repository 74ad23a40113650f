import { numberFlag, readFlags } from '../../support/developer-flags.js'
import { killLaunches } from '../../support/launch.js'
import { hostileReport } from './hostile-report.js'
import { hostileRun } from './hostile-run.js'

const USAGE = `npm run hostile-joins -- --seed 1 --joins 10000     hostile joins of every kind beside two honest workers
                 --rate 40                           so many per second
                 --json                              the outcome for machines`

/** Joins in one round of the attack; the rate of the honest workers alone is measured before and after each round. */
const ROUND = 1_000
const CALM_SECONDS = 10
/** Minimum rate of the honest workers, relative to their rate without the attack. */
const MIN_RATE = 0.8

const values = readFlags(USAGE, {
  seed: { type: 'string', default: '1' },
  joins: { type: 'string', default: '10000' },
  rate: { type: 'string', default: '40' },
  json: { type: 'boolean', default: false },
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    killLaunches()
    process.exit(130)
  })
}
const joins = numberFlag('--joins', values.joins, 1, 1_000_000, true)
const outcome = await hostileRun({
  seed: numberFlag('--seed', values.seed, 0, 0xffff_ffff, true),
  joins,
  rounds: Math.ceil(joins / ROUND),
  rate: numberFlag('--rate', values.rate, 0.1, 10_000),
  yields: true,
  calmSeconds: CALM_SECONDS,
  log: (line) => process.stderr.write(`${line}\n`),
})
const violations = [
  ...outcome.violations,
  ...(outcome.keptRate < MIN_RATE
    ? [`the honest workers kept ${(100 * outcome.keptRate).toFixed(0)} % of their rate, less than ${100 * MIN_RATE} %`]
    : []),
]
process.stdout.write(
  values.json ? `${JSON.stringify({ ...outcome, violations })}\n` : hostileReport(outcome, violations),
)
process.exitCode = violations.length === 0 ? 0 : 1
