import { fork } from 'node:child_process'
import os from 'node:os'
import { fileURLToPath } from 'node:url'
import { faultScenario } from '../../src/simulation/fault-scenario.js'
import { simulateFaults } from '../../src/simulation/simulate-faults.js'
import { numberFlag, readFlags } from '../support/developer-flags.js'

const USAGE = `npm run simulation-test -- --seed 1 --runs 20000      seeds 1 to 20,000, on all cores
npm run simulation-test -- --seed 4711 --history      one history, printed
                            -- --until-violation      the runs after the first violation are left out`
/** Philox takes 32 bits, and up to 10,000,000 runs follow the first seed. */
const MAX_SEED = 4_000_000_000
const MAIN = fileURLToPath(import.meta.url)
const LINES = 40
const MAX_SEEDS = 10

interface Tally {
  runs: number
  events: number
  virtualMs: number
  violations: number
  failed: { seed: number; violation: string; history: readonly string[] }[]
}

const values = readFlags(USAGE, {
  seed: { type: 'string', default: '1' },
  runs: { type: 'string', default: '500' },
  history: { type: 'boolean', default: false },
  'until-violation': { type: 'boolean', default: false },
  part: { type: 'string' },
})
const first = numberFlag('--seed', values.seed, 0, MAX_SEED, true)
const runs = numberFlag('--runs', values.runs, 1, 10_000_000, true)

if (values.history) await printHistory(first)
else if (values.part !== undefined) await runPart(Number(values.part))
else await runAll()

/** Runs every n-th pair of seeds for n cores, and sends the tally to the parent. Odd seeds take longer than even ones. */
async function runPart(part: number): Promise<void> {
  // The parent has ended.
  process.once('disconnect', () => process.exit())
  const tally = newTally()
  for (let index = 0; index < runs; index++) {
    if ((index >> 1) % os.availableParallelism() !== part) continue
    const seed = first + index
    const { violation, history, events, virtualMs } = await simulateFaults(faultScenario(seed))
    tally.runs++
    tally.events += events
    tally.virtualMs += virtualMs
    if (violation === undefined) continue
    tally.violations++
    // Limits the message, because a history is long.
    if (tally.failed.length <= MAX_SEEDS) tally.failed.push({ seed, violation, history: history.slice(-LINES) })
    if (values['until-violation']) break
  }
  process.send!(tally)
  process.disconnect()
}

function newTally(): Tally {
  return { runs: 0, events: 0, virtualMs: 0, violations: 0, failed: [] }
}

function partArguments(part: number): string[] {
  const until = values['until-violation'] ? ['--until-violation'] : []
  return ['--seed', `${first}`, '--runs', `${runs}`, '--part', `${part}`, ...until]
}

async function runAll(): Promise<void> {
  const startedMs = performance.now()
  const children = Array.from({ length: os.availableParallelism() }, (_, part) => fork(MAIN, partArguments(part)))
  let isOver = false
  const tallies = await Promise.all(
    children.map(
      async (child) =>
        new Promise<Tally>((resolve, reject) => {
          child.once('message', (tally: Tally) => {
            resolve(tally)
            if (tally.violations === 0 || !values['until-violation']) return
            isOver = true
            for (const other of children) other.kill()
          })
          child.once('exit', (status) => {
            if (isOver) resolve(newTally())
            else reject(new Error(`A part of the simulation ended with status ${status}.`))
          })
        }),
    ),
  )
  const sum = (of: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + of(tally), 0)
  const failed = tallies.flatMap((tally) => tally.failed).sort((a, b) => a.seed - b.seed)
  if (failed.length > 0) {
    const { seed, violation, history } = failed[0]!
    process.stdout.write(`${history.join('\n')}\n\nSeed ${seed}: ${violation.split('\n')[0]}\n`)
    process.stdout.write(`Replay: npm run simulation-test -- --seed ${seed} --history\n`)
    const others = failed
      .slice(1, 1 + MAX_SEEDS)
      .map((failure) => `${failure.seed} (${failure.violation.split('\n')[0]})`)
    if (others.length > 0) process.stdout.write(`Also: ${others.join(', ')}\n`)
    process.exitCode = 1
  }
  const seconds = (performance.now() - startedMs) / 1000
  process.stdout.write(
    `${sum((tally) => tally.runs)} runs, ${sum((tally) => tally.events)} events, ` +
      `${(sum((tally) => tally.virtualMs) / 3_600_000).toFixed(1)} simulated hours in ${seconds.toFixed(1)} s: ` +
      `${sum((tally) => tally.violations)} violations\n`,
  )
}

async function printHistory(seed: number): Promise<void> {
  const scenario = faultScenario(seed)
  const { workers, faults: _faults, ...rest } = scenario
  process.stdout.write(`${JSON.stringify(rest)}\n${workers.map((worker) => JSON.stringify(worker)).join('\n')}\n`)
  const { violation, history } = await simulateFaults(scenario)
  process.stdout.write(`${history.join('\n')}\n${violation ?? 'no violation'}\n`)
  if (violation !== undefined) process.exitCode = 1
}
