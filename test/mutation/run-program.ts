import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** How a program ended. */
export interface Ending {
  /** null when it was killed. */
  readonly status: number | null
  readonly output: string
  readonly isOverLimit: boolean
}

/**
 * Runs a program of Node until it ends, exceeds its time limit, or prints a given text.
 * @param args arguments of node
 * @param scratch its temporary directory
 * @param signal kills it
 * @param enough kills it when its output matches
 */
export async function runProgram(
  args: readonly string[],
  { scratch, limitMs, signal, enough }: { scratch: string; limitMs: number; signal: AbortSignal; enough?: RegExp },
): Promise<Ending> {
  // Variables of an outer test run: the reporting of node:test, and the coverage directory of c8.
  const { NODE_TEST_CONTEXT: _context, NODE_V8_COVERAGE: _coverage, ...environment } = process.env
  // A process group of its own, so that a hanging program is killed together with its children.
  const child = spawn(process.execPath, args, {
    detached: true,
    env: { ...environment, TMPDIR: scratch },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let isOverLimit = false
  const end = (): void => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch (error) {
      // It has already ended.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => {
      output += text.toString()
      if (enough?.test(output) === true) end()
    })
  const timer = setTimeout(() => {
    isOverLimit = true
    end()
  }, limitMs)
  signal.addEventListener('abort', end)
  if (signal.aborted) end()
  const [status] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  signal.removeEventListener('abort', end)
  return { status, output, isOverLimit }
}
