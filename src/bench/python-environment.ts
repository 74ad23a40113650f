import { createHash } from 'node:crypto'
import { readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { runProgram } from '../tensorflow/runtime/run-program.js'
import { cacheDirectory } from '../shared/cache-directory.js'
import { ConvoyError } from '../shared/errors.js'
import { makeDirectory } from '../shared/make-directory.js'
import { isThere } from '../shared/path-access.js'

/**
 * A Python environment in the per-user cache with the packages of a requirements file. Creates it if it is missing.
 * @param purpose a directory of the cache
 * @param onInstall called with the directory before the installation begins
 * @returns the path of its python
 * @throws ConvoyError('environment') with pip's last line of output when the environment cannot be created
 */
export async function pythonEnvironment(
  purpose: string,
  requirements: string,
  onInstall: (directory: string) => void,
): Promise<string> {
  const version = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12)
  const directory = path.join(cacheDirectory(), purpose, version)
  const python = path.join(directory, 'bin', 'python')
  const stamp = path.join(directory, 'complete')
  if (isThere(stamp, 'environment')) return python

  onInstall(directory)
  rmSync(directory, { recursive: true, force: true })
  await makeDirectory(path.dirname(directory))
  for (const [program, ...args] of [
    ['python3', '-m', 'venv', directory],
    [python, '-m', 'pip', 'install', '--quiet', '--no-compile', '--requirement', requirements],
    [python, '-c', `open(${JSON.stringify(`${stamp}.new`)}, 'w').close()`],
  ] as [string, ...string[]][]) {
    const { status, stderr } = await runProgram(program, args)
    if (status !== 0) throw new ConvoyError('environment', `${stderr.trim().split('\n').at(-1)}`)
  }
  renameSync(`${stamp}.new`, stamp)
  return python
}
