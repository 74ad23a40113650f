import { setTimeout as delay } from 'node:timers/promises'
import type { RunResult } from '../training/run-events.js'

/** What is posted when a run is over. */
export interface RunEndMessage {
  /** Name of its directory. */
  readonly run: string
  readonly state: 'finished' | 'failed' | 'stopped'
  /** Steps applied. */
  readonly step: number
  readonly result?: WebhookResult
  /** Why it failed. */
  readonly error?: string
  /** Absolute. */
  readonly runDirectory: string
}

export type RunEnd = Pick<RunEndMessage, 'state' | 'result' | 'error'>

interface WebhookResult {
  /** Of the best weights, by the test; by the validation where nothing is tested. Absent: not measured. */
  readonly accuracy?: number
  readonly loss?: number
  /** Of the last weights, as in `result.json`. */
  readonly weightsSha256: string
}

const MAX_TRIES = 3
const MAX_TRY_MS = 10_000
/** Before the second try; twice as long before the third. */
const WAIT_MS = 1_000

/** @returns what is wrong with the value of --webhook, without the value; undefined: nothing */
export function webhookProblem(given: string): string | undefined {
  if (!URL.canParse(given)) return 'give an address that begins with http:// or https://'
  const { protocol, username, password } = new URL(given)
  if (!['http:', 'https:'].includes(protocol)) return 'give an address that begins with http:// or https://'
  if (username !== '' || password !== '')
    return 'leave user name and password out of the address, which other users of this machine can see'
  return undefined
}

/** The address for people: its path and its query may hold a secret. */
export function shownWebhook(webhook: string): string {
  const { origin, pathname } = new URL(webhook)
  return pathname === '/' ? origin : `${origin}/…`
}

/** Arguments of a command as reports may show them. */
export function withoutWebhookSecrets(args: readonly string[]): string[] {
  const shown = (value: string): string => (URL.canParse(value) ? shownWebhook(value) : value)
  return args.map((argument, index) => {
    if (args[index - 1] === '--webhook') return shown(argument)
    return argument.startsWith('--webhook=') ? `--webhook=${shown(argument.slice('--webhook='.length))}` : argument
  })
}

/** How a run with a result ended. */
export function endOf(result: RunResult, { totalSteps }: { readonly totalSteps: number }): RunEnd {
  const { test, validation, weightsSha256, steps, stoppedEarly = false } = result
  const { accuracy, loss } = test ?? validation ?? {}
  return {
    state: steps < totalSteps && !stoppedEarly ? 'stopped' : 'finished',
    result: { ...(accuracy !== undefined && { accuracy }), ...(loss !== undefined && { loss }), weightsSha256 },
  }
}

/**
 * Posts the end of a run as JSON, in up to three tries. Never throws.
 * @param webhook see {@link webhookProblem}
 * @param signal gives it up
 * @param warn logs a line when it was not taken
 */
export async function postRunEnd(
  webhook: string,
  message: RunEndMessage,
  signal: AbortSignal,
  warn: (line: string) => void,
  waitMs = WAIT_MS,
): Promise<void> {
  const body = JSON.stringify(message)
  let failure = ''
  for (let tries = 1; tries <= MAX_TRIES && !signal.aborted; tries++) {
    failure = (await attempt(webhook, body, signal)) ?? ''
    if (failure === '') return
    if (tries < MAX_TRIES) await delay(waitMs * tries, undefined, { signal }).catch(() => undefined)
  }
  const why = signal.aborted ? `the process has to end; ${failure || 'not tried'}` : `${MAX_TRIES} tries; ${failure}`
  warn(`The end of the run was not taken by --webhook ${shownWebhook(webhook)} (${why}). Nothing else depends on it.`)
}

/** @returns why it failed; undefined: it was taken */
async function attempt(webhook: string, body: string, signal: AbortSignal): Promise<string | undefined> {
  const limit = AbortSignal.timeout(MAX_TRY_MS)
  try {
    const response = await fetch(webhook, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body },
      // A redirect would turn the POST into a GET, or take the message elsewhere.
      ...{ redirect: 'manual', signal: AbortSignal.any([signal, limit]) },
    })
    await response.body?.cancel()
    return response.ok ? undefined : `it answered ${response.status}`
  } catch (error) {
    if (limit.aborted) return `no answer within ${MAX_TRY_MS / 1000} s`
    const { message, cause } = error as Error
    return (cause as NodeJS.ErrnoException | undefined)?.code ?? message
  }
}
