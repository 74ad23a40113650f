import { setTimeout as delay } from 'node:timers/promises'

const PATIENCE_MS = 60_000
const POLL_MS = 20

/** Polls until a condition holds. @param what names the condition in the timeout error */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${PATIENCE_MS / 1000} s in vain for ${what}`)
    await delay(POLL_MS)
  }
}
