import { readFileSync } from 'node:fs'
import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'
import { packageRoot } from '../shared/package-root.js'
import { pythonEnvironment } from './python-environment.js'

export const PEERS_DIRECTORY = path.join(packageRoot, 'bench', 'peers')
const REQUIREMENTS = path.join(PEERS_DIRECTORY, 'requirements.txt')

/**
 * A Python environment of the benchmark's own, with the versions of bench/peers/requirements.txt. Installs it if it is missing,
 * which takes several minutes and gigabytes: PyTorch's wheel contains CUDA.
 * @returns the path of its python
 * @throws ConvoyError('environment') when Python cannot create it
 */
export async function peerPython(log: (text: string) => void): Promise<string> {
  try {
    return await pythonEnvironment('bench', REQUIREMENTS, (directory) => {
      log(
        `Installing the peers of ${path.relative(packageRoot, REQUIREMENTS)} into ${directory}; this takes several minutes.`,
      )
    })
  } catch (error) {
    throw new ConvoyError(
      'environment',
      `The peers cannot be installed (${(error as Error).message}); \`convoy bench engine --peers none\` benchmarks Convoy alone.`,
      { cause: error },
    )
  }
}

/** The version of a package of bench/peers/requirements.txt. */
export function peerVersion(name: string): string {
  return new RegExp(`^${name}==(.*)$`, 'm').exec(readFileSync(REQUIREMENTS, 'utf8'))![1]!
}
