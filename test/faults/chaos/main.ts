import { numberFlag, readFlags } from '../../support/developer-flags.js'
import { killLaunches } from '../../support/launch.js'
import { chaosReport } from './chaos-report.js'
import { chaosRun } from './chaos-run.js'

const USAGE = `npm run chaos -- --seed 1 --minutes 2 --workers 3                    a fault every 5 s, in real processes
npm run chaos -- --seed 1 --minutes 30 --workers 3 --interval 3      the soak; the seed replays its schedule
                 --json                                              the outcome for machines`

const values = readFlags(USAGE, {
  seed: { type: 'string', default: '1' },
  minutes: { type: 'string', default: '2' },
  workers: { type: 'string', default: '3' },
  interval: { type: 'string', default: '5' },
  json: { type: 'boolean', default: false },
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    killLaunches()
    process.exit(130)
  })
}
const outcome = await chaosRun({
  seed: numberFlag('--seed', values.seed, 0, 0xffff_ffff, true),
  minutes: numberFlag('--minutes', values.minutes, 0.1, 24 * 60),
  workers: numberFlag('--workers', values.workers, 1, 64, true),
  intervalSeconds: numberFlag('--interval', values.interval, 0.5, 3_600),
  run: ['--recipe', 'quick', '--seed', '7', '--epochs', '10000'],
  log: (line) => process.stderr.write(`${line}\n`),
})
process.stdout.write(values.json ? `${JSON.stringify(outcome)}\n` : chaosReport(outcome))
process.exitCode = outcome.violations.length === 0 ? 0 : 1
