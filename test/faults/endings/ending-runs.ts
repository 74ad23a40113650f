import { tinyDataset } from '../../support/tiny-dataset.js'
import { Launch } from '../../support/launch.js'
import type { PlannedEnding } from './ending-plan.js'
import { impossible, plannedEnding } from './ending-plan.js'
import { runEnding } from './run-ending.js'

export interface EndingRunsOptions {
  readonly seed: number
  /** Numbers of the runs, from 1. */
  readonly runs: readonly number[]
  readonly slackSeconds: number
  /** Receives one line for each run, and a summary. */
  readonly log: (line: string) => void
}

/** Ends runs as planned, one after the other. @returns messages about broken guarantees */
export async function endingRuns({ seed, runs, slackSeconds, log }: EndingRunsOptions): Promise<string[]> {
  const cannot = impossible()
  for (const [what, why] of cannot) log(`⚠ left out: ${what}: ${why}`)
  const data = tinyDataset()
  const violations: string[] = []
  let leftOut = 0
  try {
    const help = await helpOf('train')
    for (const number of runs) {
      const plan = plannedEnding(seed, number)
      const what = `run ${number}: ${describe(plan)}`
      const missing = [plan.ending, ...plan.conditions].find((part) => cannot.has(part))
      if (missing !== undefined) {
        leftOut++
        log(`⚠ ${what}: left out, there is no way to have ${missing} here`)
        continue
      }
      const broken: string[] = []
      const measured = await runEnding(plan, { data, help, slackSeconds }).catch((error: unknown) => {
        broken.push((error as Error).message)
        return undefined
      })
      broken.push(...(measured?.violations ?? []))
      const { steps = 0, seconds = 0, statedSeconds = 0 } = measured ?? {}
      const times = `${steps} steps, gone after ${seconds.toFixed(1)} s of at most ${statedSeconds} s stated`
      log(`${broken.length === 0 ? '✔' : '✖'} ${what}: ${times}`)
      for (const line of broken) log(`    ✖ ${line}`)
      if (broken.length > 0) log(`    again: npm run endings -- --seed ${seed} --only ${number}`)
      violations.push(...broken.map((line) => `seed ${seed}, ${what}: ${line}`))
    }
  } finally {
    data.remove()
  }
  const kept = violations.length === 0 ? 'each kept what it had promised' : `${violations.length} promises broken`
  log(`${runs.length - leftOut} runs, ${leftOut} left out: ${kept}`)
  return violations
}

async function helpOf(command: string): Promise<string> {
  const launch = new Launch([command, '--help'])
  await launch.status()
  return launch.stdout
}

function describe({ command, ending, conditions, afterSeconds }: PlannedEnding): string {
  const at = `after ${(afterSeconds[0] + afterSeconds[1]).toFixed(1)} s`
  return [`convoy ${command}`, ...conditions, ending === 'its last step' ? ending : `${ending} ${at}`].join(', ')
}
