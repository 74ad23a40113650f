import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { runProgram } from '../../../src/tensorflow/runtime/run-program.js'
import { cacheDirectory } from '../../../src/shared/cache-directory.js'

/**
 * The grpcurl of this machine, or one that Go builds into the per-user cache.
 * @param source as `go install` takes it, with its version
 * @returns the command, or why it is not available
 */
export async function findGrpcurl(source: string): Promise<{ readonly command: string } | { readonly why: string }> {
  if ((await runProgram('grpcurl', ['-version'])).status === 0) return { command: 'grpcurl' }
  const directory = path.join(cacheDirectory(), 'test', `grpcurl-${source.slice(source.lastIndexOf('@') + 1)}`)
  const built = path.join(directory, 'grpcurl')
  if (existsSync(built)) return { command: built }
  mkdirSync(directory, { recursive: true })
  const { status, stderr } = await runProgram('go', ['install', source], { ...process.env, GOBIN: directory })
  if (status === 0) return { command: built }
  if (status === 127) return { why: 'neither grpcurl nor go is installed' }
  return { why: `go cannot build grpcurl: ${stderr.trim().split('\n').at(-1)}` }
}
