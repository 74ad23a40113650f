import { exitUsage, numberFlag, readFlags } from '../../support/developer-flags.js'
import { killLaunches } from '../../support/launch.js'
import { chaosReport } from './chaos-report.js'
import { chaosRun } from './chaos-run.js'
import type { FaultKind } from './fault-schedule.js'
import { ALL_KINDS } from './fault-schedule.js'

const USAGE = `npm run chaos -- --seed 1 --minutes 2 --workers 3                    a fault every 5 s, in real processes
npm run chaos -- --seed 1 --minutes 30 --workers 3 --interval 3      the soak; the seed replays its schedule
npm run chaos -- --only kill-coordinator --faults 20 --minutes 30    20 coordinators killed and resumed
                 --json                                              the outcome for machines

Faults for --only, with commas between them: ${ALL_KINDS.join(', ')}`

const values = readFlags(USAGE, {
  seed: { type: 'string', default: '1' },
  minutes: { type: 'string', default: '2' },
  workers: { type: 'string', default: '3' },
  interval: { type: 'string', default: '5' },
  only: { type: 'string' },
  faults: { type: 'string' },
  json: { type: 'boolean', default: false },
})

const kinds = values.only?.split(',') ?? ALL_KINDS
const unknown = kinds.find((kind) => !ALL_KINDS.includes(kind as FaultKind))
if (unknown !== undefined) exitUsage(`--only ${unknown}: choose of ${ALL_KINDS.join(', ')}`)

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
  kinds: kinds as FaultKind[],
  ...(values.faults !== undefined && { maxFaults: numberFlag('--faults', values.faults, 1, 100_000, true) }),
  run: ['--recipe', 'quick', '--seed', '7', '--epochs', '10000'],
  log: (line) => process.stderr.write(`${line}\n`),
})
process.stdout.write(values.json ? `${JSON.stringify(outcome)}\n` : chaosReport(outcome))
process.exitCode = outcome.violations.length === 0 ? 0 : 1
