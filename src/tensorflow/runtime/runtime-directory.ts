import { randomBytes } from 'node:crypto'
import { writeFileSync, renameSync } from 'node:fs'
import path from 'node:path'
import { cacheDirectory } from '../../shared/cache-directory.js'
import { MAX_CONFIG_BYTES, readTextIfThere } from '../../shared/read-file.js'
import type { RuntimeKind } from './pinned-wheels.js'

/** The tfjs-node whose addon is compiled; its C++ sources and its JavaScript belong together. */
export const TFJS_VERSION = '4.22.0'

/**
 * A native runtime in the per-user cache:
 *
 *     <cache>/runtime/current              name of the directory in use
 *     <cache>/runtime/<name>/runtime.json
 *                           /addon/tfjs_binding.node
 *                           /tensorflow/libtensorflow_cc.so.2 …   or a link to where they are installed
 *                           /nvidia/…/lib                         CUDA, with the GPU runtime
 */
export interface InstalledRuntime {
  readonly directory: string
  readonly kind: RuntimeKind
  readonly tensorflowVersion: string
  readonly addonPath: string
  /** The wheel that it was made from, or the directory of the installed TensorFlow that it uses. */
  readonly source: string
}

export type RuntimeManifest = Pick<InstalledRuntime, 'kind' | 'tensorflowVersion' | 'source'> & {
  readonly tfjsVersion: string
}

export function runtimesDirectory(environment?: NodeJS.ProcessEnv): string {
  return path.join(cacheDirectory(environment), 'runtime')
}

/**
 * The runtime in use; two small reads.
 * @returns undefined when none is installed, or only one for another tfjs-node
 * @throws ConvoyError('environment') when it cannot be read, such as another user's
 */
export function findRuntime(environment?: NodeJS.ProcessEnv): InstalledRuntime | undefined {
  const name = readIfThere(path.join(runtimesDirectory(environment), 'current'))?.trim()
  return name ? readRuntime(path.join(runtimesDirectory(environment), name)) : undefined
}

/**
 * @returns undefined when there is no complete runtime in that directory
 * @throws ConvoyError('environment') when it cannot be read
 */
export function readRuntime(directory: string): InstalledRuntime | undefined {
  const text = readIfThere(path.join(directory, 'runtime.json'))
  if (text === undefined) return undefined
  try {
    const manifest = JSON.parse(text) as RuntimeManifest
    const { tfjsVersion, ...known } = manifest
    if (tfjsVersion !== TFJS_VERSION) return undefined
    return { ...known, directory, addonPath: path.join(directory, 'addon', 'tfjs_binding.node') }
  } catch {
    return undefined
  }
}

function readIfThere(file: string): string | undefined {
  return readTextIfThere(file, MAX_CONFIG_BYTES, 'environment')
}

/** Makes a runtime the one in use, atomically. */
export function selectRuntime(directory: string): void {
  const pointer = path.join(path.dirname(directory), 'current')
  // No process id in the name: containers that share the cache have equal ones.
  const next = `${pointer}.${randomBytes(6).toString('hex')}`
  writeFileSync(next, path.basename(directory) + '\n')
  renameSync(next, pointer)
}
