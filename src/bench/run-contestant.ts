import { mkdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { cacheDirectory } from '../shared/cache-directory.js'
import { ConvoyError } from '../shared/errors.js'
import { runProgram } from '../tensorflow/runtime/run-program.js'

/** Of standard error, for the message of a failure. */
const KEPT_CHARACTERS = 2_000

/**
 * Runs a program of a contestant to its end.
 * @param environment variables beside those of this process
 * @returns what it printed as JSON
 * @throws ConvoyError('environment') with the end of its standard error when it fails
 */
export async function runContestant(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<unknown> {
  const { status, stdout, stderr } = await runProgram(program, args, { ...process.env, ...environment })
  if (status === 0) return JSON.parse(stdout) as unknown
  throw new ConvoyError(
    'environment',
    `${args.join(' ')} ended with status ${status}:\n${stderr.slice(-KEPT_CHARACTERS).trim()}`,
  )
}

/**
 * Makes a cache for the data sets of a benchmark, with the native TensorFlow of the user's.
 * @param directory gets it
 * @returns the variables of the environment that choose it
 */
export function ownCache(directory: string): NodeJS.ProcessEnv {
  const cache = path.join(directory, 'cache')
  mkdirSync(cache)
  symlinkSync(path.join(cacheDirectory(), 'runtime'), path.join(cache, 'runtime'))
  return { CONVOY_CACHE: cache }
}
