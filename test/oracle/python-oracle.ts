import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { pythonEnvironment } from '../../src/bench/python-environment.js'
import { packageRoot } from '../../src/shared/package-root.js'

const SOURCES = path.join(packageRoot, 'test', 'oracle')

/** The Python program that recomputes runs from the documentation alone, in an environment of its own. */
export interface PythonOracle {
  /** Runs `python -m oracle …`. @returns its exit status, and what it printed when that was not passed on */
  run(args: readonly string[], output?: 'inherit'): Promise<{ status: number | null; printed: string }>
}

/**
 * Installs it when it is not there: 150 MB.
 * @throws ConvoyError('environment') where Python cannot
 */
export async function pythonOracle(onInstall: (directory: string) => void): Promise<PythonOracle> {
  const python = await pythonEnvironment('test', path.join(SOURCES, 'requirements.txt'), onInstall)
  return {
    run: async (args, output) => {
      const stdio = output ?? 'pipe'
      const child = spawn(python, ['-m', 'oracle', ...args], {
        cwd: path.dirname(SOURCES),
        stdio: ['ignore', stdio, stdio],
      })
      let printed = ''
      for (const stream of [child.stdout, child.stderr])
        stream?.on('data', (text: Buffer) => (printed += text.toString()))
      const [status] = (await once(child, 'close')) as [number | null]
      return { status, printed }
    },
  }
}

/** The program that the oracle starts to make its runs. */
export const CONVOY = path.join(packageRoot, 'bin', 'convoy.mjs')
