import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { cacheDirectory } from '../../../src/shared/cache-directory.js'
import { packageRoot } from '../../../src/shared/package-root.js'

const REQUIREMENTS = path.join(packageRoot, 'test', 'e2e', 'containers', 'requirements.txt')

/** Programs of test/e2e/containers/requirements.txt, each as its first words. */
export interface Linters {
  readonly hadolint: readonly string[]
  readonly checkJsonschema: readonly string[]
}

/** Installs them with pip on first use, into a directory of their own in the per-user cache: 80 MB. */
export function linters(): Linters {
  const version = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12)
  const directory = path.join(cacheDirectory(), 'linters', version)
  if (!existsSync(directory)) {
    const staging = `${directory}.${process.pid}`
    rmSync(staging, { recursive: true, force: true })
    mkdirSync(staging, { recursive: true })
    const flags = ['--quiet', '--disable-pip-version-check', '--target', staging, '--requirement', REQUIREMENTS]
    execFileSync('python3', ['-m', 'pip', 'install', ...flags])
    renameSync(staging, directory)
  }
  return {
    hadolint: [path.join(directory, 'bin', 'hadolint')],
    checkJsonschema: ['env', `PYTHONPATH=${directory}`, 'python3', '-m', 'check_jsonschema'],
  }
}
