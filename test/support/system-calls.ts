import type { ChildProcess, SpawnSyncReturns } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A system call of a program on a file, as it can be found again in another run of the program. */
export interface SystemCall {
  /** Such as `fsync`. */
  readonly name: string
  /** Of its files, the one that it is found by. */
  readonly file: string
  /** Which of the calls of this name on this file, in the thread that makes them; from 1. */
  readonly ordinal: number
  /** Of an open call: the file is made. */
  readonly creates: boolean
}

/** For a process that is traced: one thread for all calls that are not synchronous, so that their order is the same each time. */
export const TRACED = { UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' }

/** All threads; the kernel stops them at the calls that are traced, not at each one. */
const FOLLOW = ['-f', '--seccomp-bpf', '-qq']

/** How long a call waits to be killed. */
const HELD_US = 60_000_000
const POLL_MS = 5

/** Why a program cannot be traced here; undefined: it can. */
export function whyNoTrace(): string | undefined {
  const { error, status, stderr } = spawnSync('strace', [...FOLLOW, '-e', 'trace=none', 'true'], { encoding: 'utf8' })
  if (error !== undefined) return `strace cannot be run (${error.message})`
  return status === 0 ? undefined : `strace may not trace a process here (${stderr.trim()})`
}

/** Why a running process cannot be traced here; undefined: it can. */
export function whyNoAttachment(): string | undefined {
  const noTrace = whyNoTrace()
  if (noTrace !== undefined) return noTrace
  const sleeping = spawn('sleep', ['10'])
  const { status, stderr } = spawnSync('strace', ['-qq', '-p', `${sleeping.pid}`], { encoding: 'utf8', timeout: 500 })
  sleeping.kill()
  return status === null ? undefined : `strace may not attach to a process here (${stderr.trim()})`
}

/**
 * Runs a program of Node and lists its calls with these names on files under a directory, thread by thread, without those that fail.
 * @throws Error when the program fails
 */
export function tracedCalls(names: readonly string[], directory: string, program: readonly string[]): SystemCall[] {
  const logs = mkdtempSync(path.join(os.tmpdir(), 'convoy-strace-'))
  try {
    const log = path.join(logs, 'thread')
    const { status, stderr } = strace(['-ff', '-y', '-o', log, '-e', `trace=${names.join()}`], program)
    if (status !== 0) throw new Error(`the traced program ended with ${status}: ${stderr}`)
    return readdirSync(logs).flatMap((thread) => callsOf(readFileSync(path.join(logs, thread), 'utf8'), directory))
  } finally {
    rmSync(logs, { recursive: true, force: true })
  }
}

/**
 * Runs a program of Node until one of its calls, and kills it there. The call waits for that: together with `--seccomp-bpf`, strace 6.1 injects no
 * signals.
 * @throws Error when it does not come to that call
 */
export async function killedAt(call: SystemCall, program: readonly string[]): Promise<void> {
  const log = path.join(mkdtempSync(path.join(os.tmpdir(), 'convoy-strace-')), 'calls')
  writeFileSync(log, '')
  const held = injection(call, `delay_enter=${HELD_US}`)
  const tracer = spawn('strace', [...FOLLOW, ...held, '-o', log, '--', process.execPath, ...program], {
    env: { ...process.env, ...TRACED },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  tracer.stdout.resume()
  // When both processes have ended: the program holds the pipe too.
  const ended = once(tracer, 'close')
  try {
    for (let thread: string | undefined; thread === undefined;) {
      if (tracer.exitCode !== null) throw notReached(call)
      await delay(POLL_MS)
      thread = heldThread(readFileSync(log, 'utf8'), call)
      if (thread !== undefined) process.kill(Number(thread), 'SIGKILL')
    }
  } finally {
    // It may wait for the thread that it held.
    tracer.kill('SIGKILL')
    await ended
    rmSync(path.dirname(log), { recursive: true, force: true })
  }
}

/** The thread whose call number `ordinal` has begun. */
function heldThread(log: string, { name, ordinal }: SystemCall): string | undefined {
  const begun = new Map<string, number>()
  for (const [, thread, called] of log.matchAll(/^(\d+) +(\w+)\(/gm)) {
    if (called !== name) continue
    begun.set(thread!, (begun.get(thread!) ?? 0) + 1)
    if (begun.get(thread!) === ordinal) return thread
  }
  return undefined
}

/** Has one call of a running process fail while it does something. @throws Error when it does not come to that call */
export async function failedAt<Result>(
  call: SystemCall,
  error: 'EIO' | 'ENOSPC',
  { pid }: ChildProcess,
  action: () => Promise<Result>,
): Promise<Result> {
  const log = path.join(mkdtempSync(path.join(os.tmpdir(), 'convoy-strace-')), 'calls')
  const tracer = spawn('strace', ['-f', '-p', `${pid}`, ...injection(call, `error=${error}`), '-o', log])
  const ended = once(tracer, 'close')
  try {
    const [attached] = (await once(tracer.stderr, 'data')) as [Buffer]
    if (!attached.includes('attached')) throw new Error(attached.toString())
    const result = await action()
    tracer.kill()
    await ended
    if (!readFileSync(log, 'utf8').includes('(INJECTED)')) throw notReached(call)
    return result
  } finally {
    tracer.kill()
    rmSync(path.dirname(log), { recursive: true, force: true })
  }
}

function injection({ name, file, ordinal }: SystemCall, what: string): string[] {
  return ['-P', file, '-e', `trace=${name}`, '-e', `inject=${name}:${what}:when=${ordinal}`]
}

function notReached({ name, file, ordinal }: SystemCall): Error {
  return new Error(`the program did not come to ${name} number ${ordinal} on ${file}`)
}

function strace(args: readonly string[], program: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync('strace', [...FOLLOW, ...args, '--', process.execPath, ...program], {
    encoding: 'utf8',
    env: { ...process.env, ...TRACED },
  })
}

/** The calls of one thread: `fsync(21</runs/x/manifest.json>) = 0`. */
function callsOf(log: string, directory: string): SystemCall[] {
  const counts = new Map<string, number>()
  return log.split('\n').flatMap((line) => {
    const name = /^(\w+)\(/.exec(line)?.[1]
    const [call, result] = line.split(/ += /)
    const files = Array.from(call!.matchAll(/[<"](\/[^">]*)[">]/g), ([, file]) => file!)
    const own = [...new Set(files.filter((file) => file.startsWith(directory + path.sep)))]
    if (name === undefined || own.length === 0) return []
    for (const file of own) counts.set(`${name} ${file}`, (counts.get(`${name} ${file}`) ?? 0) + 1)
    // What failed by itself changes nothing: a directory is there already, or is not empty.
    if (result?.startsWith('-1')) return []
    return [{ name, file: own[0]!, ordinal: counts.get(`${name} ${own[0]}`)!, creates: call!.includes('O_CREAT') }]
  })
}
