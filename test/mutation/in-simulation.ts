import path from 'node:path'
import { CopiedPackage } from './copied-package.js'
import type { Mutation } from './mutation.js'
import type { Verdict } from './verdict.js'
import { runProgram } from './run-program.js'

const RUNS = 1_000
const LIMIT_MS = 180_000

/**
 * Plants one fault after the other and simulates runs with it.
 * @param onVerdict hears of each
 * @param signal ends it; the rest is left out
 */
export async function findInSimulation(
  mutations: readonly Mutation[],
  onVerdict: (verdict: Verdict) => void,
  signal: AbortSignal,
): Promise<void> {
  const copy = new CopiedPackage()
  try {
    const main = path.join(copy.directory, 'dist', 'test', 'simulation', 'main.js')
    for (const mutation of mutations) {
      const takeOut = copy.plant(mutation)
      const { output } = await runProgram([main, '--runs', `${RUNS}`], {
        ...{ scratch: copy.scratch, limitMs: LIMIT_MS, signal },
      })
      if (signal.aborted) return
      takeOut()
      // A run that was only slow has caught nothing.
      const how = (/^Seed .*$/m.exec(output) ?? /^\w*Error.*$/m.exec(output))?.[0]
      onVerdict({ name: mutation.name, isCaught: how !== undefined, how: how ?? `${RUNS} runs saw nothing` })
    }
  } finally {
    copy.remove()
  }
}
