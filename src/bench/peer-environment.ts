import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { runProgram } from '../engine/runtime/run-program.js'
import { cacheDirectory } from '../shared/cache-directory.js'
import { ConvoyError } from '../shared/errors.js'
import { packageRoot } from '../shared/package-root.js'

export const PEERS_DIRECTORY = path.join(packageRoot, 'bench', 'peers')

/**
 * A Python environment of the benchmark's own, in the per-user cache, with the versions of bench/peers/requirements.txt.
 * Installs it when it is not there: several minutes and gigabytes, since PyTorch's wheel brings CUDA.
 * @returns the path of its python
 * @throws ConvoyError('environment') when Python cannot make it
 */
export async function peerPython(notice: (text: string) => void): Promise<string> {
  const requirements = path.join(PEERS_DIRECTORY, 'requirements.txt')
  const version = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12)
  const directory = path.join(cacheDirectory(), 'bench', version)
  const python = path.join(directory, 'bin', 'python')
  const stamp = path.join(directory, 'complete')
  if (existsSync(stamp)) return python

  notice(`Installing the peers of ${path.relative(packageRoot, requirements)} into ${directory}; this takes minutes.`)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(path.dirname(directory), { recursive: true })
  for (const [program, ...args] of [
    ['python3', '-m', 'venv', directory],
    [python, '-m', 'pip', 'install', '--quiet', '--no-compile', '--requirement', requirements],
    [python, '-c', `open(${JSON.stringify(`${stamp}.new`)}, 'w').close()`],
  ] as [string, ...string[]][]) {
    const { status, stderr } = await runProgram(program, args)
    if (status !== 0) {
      throw new ConvoyError(
        'environment',
        `The peers cannot be installed (${stderr.trim().split('\n').at(-1)}); --peers none benchmarks Convoy alone.`,
      )
    }
  }
  renameSync(`${stamp}.new`, stamp)
  return python
}
