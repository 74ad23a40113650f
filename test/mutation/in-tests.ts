import os from 'node:os'
import path from 'node:path'
import { CopiedPackage } from './copied-package.js'
import type { NumberMutation } from './mutation.js'
import type { Ending } from './run-program.js'
import { runProgram } from './run-program.js'
import type { Verdict } from './verdict.js'

/** Limit for a test file without a fault. */
const LIMIT_MS = 600_000
/** With a fault, a test file may take this factor of its time without, and this margin. */
const LIMIT_FACTOR = 5
const LIMIT_MARGIN_MS = 30_000
/** A failed case or file in TAP. The fault is caught, so the rest of the file is not needed. */
const FAILED = /^ *not ok \d+ - (.*)$/m

/**
 * Plants one fault after the other, in parallel on all cores, and runs the tests that should catch them. Each test file first runs
 * without a fault, because a test that fails then proves nothing.
 * @param onVerdict called for each mutation
 * @param signal stops; the remaining mutations are omitted
 * @throws Error naming the test file that fails without a fault or has no such case, or the mutation that does not fit
 */
export async function findInTests(
  mutations: readonly NumberMutation[],
  onVerdict: (verdict: Verdict) => void,
  signal: AbortSignal,
): Promise<void> {
  const failed = new AbortController()
  const slot = { limits: new Map<string, Promise<number>>(), signal: AbortSignal.any([signal, failed.signal]) }
  const left = [...mutations]
  const work = async (): Promise<void> => {
    const copy = new CopiedPackage()
    try {
      for (let mutation; (mutation = left.shift()) !== undefined;) {
        const how = await howCaught({ ...slot, copy }, mutation)
        if (slot.signal.aborted) return
        const { name, tests } = mutation
        onVerdict({ name, isCaught: how !== undefined, how: how ?? `${tests.join(', ')} saw nothing` })
      }
    } catch (error) {
      failed.abort()
      throw error
    } finally {
      copy.remove()
    }
  }
  const slots = Math.min(os.availableParallelism(), mutations.length)
  const settled = await Promise.allSettled(Array.from({ length: slots }, work))
  for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason
}

interface Slot {
  readonly copy: CopiedPackage
  /** Milliseconds that a test file may take with a fault, by test; measured once, without one. */
  readonly limits: Map<string, Promise<number>>
  readonly signal: AbortSignal
}

/** @returns the case that failed; undefined when none failed */
async function howCaught(slot: Slot, mutation: NumberMutation): Promise<string | undefined> {
  const { copy, limits, signal } = slot
  const { name, tests, isCaughtByLimit } = mutation
  for (const test of tests) {
    if (!limits.has(test)) limits.set(test, limitOf(test, slot))
    const limitMs = await limits.get(test)!
    if (signal.aborted) return undefined
    const takeOut = copy.plant(mutation)
    const { status, output, isOverLimit } = await runTests(copy, test, limitMs, signal)
    takeOut()
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

/** Runs a test file without a fault. @throws Error when it fails, or no case of it runs */
async function limitOf(test: string, { copy, signal }: Slot): Promise<number> {
  const startedMs = performance.now()
  const { status, output } = await runTests(copy, test, LIMIT_MS, signal)
  if (!signal.aborted) {
    if (status !== 0) throw new Error(`${test} fails without a fault:\n${output.slice(-2_000)}`)
    if (!/^# pass [1-9]/m.test(output)) throw new Error(`${test} has no case that runs here`)
  }
  return LIMIT_FACTOR * (performance.now() - startedMs) + LIMIT_MARGIN_MS
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
