import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'
import { packageRoot } from '../shared/package-root.js'
import { pythonEnvironment } from './python-environment.js'

export const PEERS_DIRECTORY = path.join(packageRoot, 'bench', 'peers')

/**
 * A Python environment of the benchmark's own, with the versions of bench/peers/requirements.txt. Installs it when it is not there:
 * several minutes and gigabytes, since PyTorch's wheel brings CUDA.
 * @returns the path of its python
 * @throws ConvoyError('environment') when Python cannot make it
 */
export async function peerPython(notice: (text: string) => void): Promise<string> {
  const requirements = path.join(PEERS_DIRECTORY, 'requirements.txt')
  try {
    return await pythonEnvironment('bench', requirements, (directory) => {
      notice(
        `Installing the peers of ${path.relative(packageRoot, requirements)} into ${directory}; this takes minutes.`,
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
