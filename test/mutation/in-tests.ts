import os from 'node:os'
import path from 'node:path'
import { CopiedPackage } from './copied-package.js'
import type { NumberMutation } from './mutation.js'
import type { Ending } from './run-program.js'
import { runProgram } from './run-program.js'
import type { Verdict } from './verdict.js'

/** Of a test file without a fault. */
const LIMIT_MS = 600_000
/** With a fault, a test file may take so many times as long as without, and this much longer. */
const LIMIT_FACTOR = 5
const LIMIT_MARGIN_MS = 30_000
/** TAP, of a case or a file. The fault is noticed: the rest of the file says nothing new. */
const FAILED = /^ *not ok \d+ - (.*)$/m

/**
 * Plants one fault after the other, on each core another one, and runs the tests that should notice. Each test file runs once without a
 * fault before: what fails then proves nothing later.
 * @param onVerdict hears of each
 * @param signal ends it; the rest is left out
 * @throws Error naming the test file that fails without a fault or has no such case, or the mutation that does not fit
 */
export async function findInTests(
  mutations: readonly NumberMutation[],
  onVerdict: (verdict: Verdict) => void,
  signal: AbortSignal,
): Promise<void> {
  const copies: CopiedPackage[] = []
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  /** Takes the items one by one, on each copy another one. */
  const onAll = async <Item>(items: readonly Item[], work: (copy: CopiedPackage, item: Item) => Promise<void>) => {
    const left = [...items]
    const workOn = async (copy: CopiedPackage): Promise<void> => {
      for (let item; !either.aborted && (item = left.shift()) !== undefined;) await work(copy, item)
    }
    // One that fails ends the others.
    const settled = await Promise.allSettled(
      copies.map(async (copy) =>
        workOn(copy).catch((error: unknown) => {
          failed.abort()
          throw error
        }),
      ),
    )
    for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason
  }
  try {
    const count = Math.min(os.availableParallelism(), mutations.length)
    for (let index = 0; index < count; index++) copies.push(new CopiedPackage())

    const durationsMs = new Map<string, number>()
    await onAll([...new Set(mutations.flatMap(({ tests }) => tests))], async (copy, test) => {
      const startedMs = performance.now()
      const ending = await runTests(copy, test, LIMIT_MS, either)
      if (either.aborted) return
      assertSound(test, ending)
      durationsMs.set(test, performance.now() - startedMs)
    })

    await onAll(mutations, async (copy, mutation) => {
      const takeOut = copy.plant(mutation)
      const how = await howNoticed(copy, mutation, durationsMs, either)
      takeOut()
      if (either.aborted) return
      const { name, tests } = mutation
      onVerdict({ name, isCaught: how !== undefined, how: how ?? `${tests.join(', ')} saw nothing` })
    })
  } finally {
    for (const copy of copies) copy.remove()
  }
}

/** @returns the case that failed; undefined when none did */
async function howNoticed(
  copy: CopiedPackage,
  { name, tests, isCaughtByLimit }: NumberMutation,
  durationsMs: ReadonlyMap<string, number>,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (const test of tests) {
    const limitMs = LIMIT_FACTOR * durationsMs.get(test)! + LIMIT_MARGIN_MS
    const { status, output, isOverLimit } = await runTests(copy, test, limitMs, signal)
    if (signal.aborted) return undefined
    const syntax = /^SyntaxError.*$/m.exec(output)?.[0]
    if (syntax !== undefined) throw new Error(`${name}: its replacement is no JavaScript: ${syntax}`)
    const failed = FAILED.exec(output)?.[1]
    if (failed !== undefined) return `${test}: ${failed}`
    if (isOverLimit && isCaughtByLimit) return `${test}: caught by its limit of ${Math.round(limitMs / 1000)} s`
    if (!isOverLimit && status !== 0) return `${test}: ${/^\w*Error.*$/m.exec(output)?.[0] ?? `status ${status}`}`
  }
  return undefined
}

async function runTests(
  { directory, scratch }: CopiedPackage,
  test: string,
  limitMs: number,
  signal: AbortSignal,
): Promise<Ending> {
  const [file, pattern] = test.split(' / ')
  const program = path.join(directory, 'dist', 'test', `${file}.test.js`)
  const chosen = pattern === undefined ? [] : ['--test-name-pattern', pattern]
  const args = ['--test-reporter', 'tap', ...chosen, program]
  return runProgram(args, { scratch, limitMs, signal, enough: FAILED })
}

function assertSound(test: string, { status, output }: Ending): void {
  if (status !== 0) throw new Error(`${test} fails without a fault:\n${output.slice(-2_000)}`)
  if (!/^# pass [1-9]/m.test(output)) throw new Error(`${test} has no case that runs here`)
}
