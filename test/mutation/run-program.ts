import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** How a program ended. */
export interface Ending {
  /** null: it was killed. */
  readonly status: number | null
  readonly output: string
  readonly isOverLimit: boolean
}

/**
 * Runs a program of Node to its end, until it has run too long, or until its output says enough.
 * @param args of node
 * @param scratch where it puts temporary files
 * @param signal kills it
 * @param enough ends it when its output matches
 */
export async function runProgram(
  args: readonly string[],
  { scratch, limitMs, signal, enough }: { scratch: string; limitMs: number; signal: AbortSignal; enough?: RegExp },
): Promise<Ending> {
  // Of a test that runs this one: how node tells its tests' programs to report, and where c8 wants their coverage.
  const { NODE_TEST_CONTEXT: _context, NODE_V8_COVERAGE: _coverage, ...environment } = process.env
  // A process group of its own: what hangs is ended together with the processes that it started.
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
      // It has just ended by itself.
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
