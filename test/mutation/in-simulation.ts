import path from 'node:path'
import { CopiedPackage } from './copied-package.js'
import type { Mutation } from './mutation.js'
import type { Verdict } from './verdict.js'
import { runProgram } from './run-program.js'

const RUNS = 3_000
const LIMIT_MS = 600_000
/** Output of a simulation that has found a violation. */
const FINDING = /^(Seed |\w*Error).*$/m

/**
 * Plants one fault after the other and simulates runs with it.
 * @param onVerdict called for each mutation
 * @param signal stops; the remaining mutations are omitted
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
      const { output, isOverLimit } = await runProgram([main, '--runs', `${RUNS}`, '--until-violation'], {
        ...{ scratch: copy.scratch, limitMs: LIMIT_MS, signal, enough: FINDING },
      })
      if (signal.aborted) return
      takeOut()
      const syntax = /^SyntaxError.*$/m.exec(output)?.[0]
      if (syntax !== undefined) throw new Error(`${mutation.name}: its replacement is no JavaScript: ${syntax}`)
      // A simulation that was only slow has not caught the fault.
      const finding = FINDING.exec(output)?.[0]
      const nothing = isOverLimit ? `found nothing in ${LIMIT_MS / 1000} s` : `${RUNS} runs found nothing`
      onVerdict({ name: mutation.name, isCaught: finding !== undefined, how: finding ?? nothing })
    }
  } finally {
    copy.remove()
  }
}
