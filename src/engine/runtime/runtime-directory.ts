import { readFileSync, writeFileSync, renameSync } from 'node:fs'
import path from 'node:path'
import { cacheDirectory } from '../../shared/cache-directory.js'
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
  /** The wheels it was made of, or the directory of the installed TensorFlow that it uses. */
  readonly source: string
}

export type RuntimeManifest = Pick<InstalledRuntime, 'kind' | 'tensorflowVersion' | 'source'> & {
  readonly tfjsVersion: string
}

export function runtimesDirectory(environment?: NodeJS.ProcessEnv): string {
  return path.join(cacheDirectory(environment), 'runtime')
}

/** The runtime in use; two small reads. @returns undefined when none is installed, or one of another tfjs-node */
export function findRuntime(environment?: NodeJS.ProcessEnv): InstalledRuntime | undefined {
  try {
    const name = readFileSync(path.join(runtimesDirectory(environment), 'current'), 'utf8').trim()
    return readRuntime(path.join(runtimesDirectory(environment), name))
  } catch {
    return undefined
  }
}

/** @returns undefined when there is no complete runtime in that directory */
export function readRuntime(directory: string): InstalledRuntime | undefined {
  try {
    const manifest = JSON.parse(readFileSync(path.join(directory, 'runtime.json'), 'utf8')) as RuntimeManifest
    const { tfjsVersion, ...known } = manifest
    if (tfjsVersion !== TFJS_VERSION) return undefined
    return { ...known, directory, addonPath: path.join(directory, 'addon', 'tfjs_binding.node') }
  } catch {
    return undefined
  }
}

/** Makes a runtime the one in use, at once or not at all. */
export function selectRuntime(directory: string): void {
  const pointer = path.join(path.dirname(directory), 'current')
  const next = `${pointer}.${process.pid}`
  writeFileSync(next, path.basename(directory) + '\n')
  renameSync(next, pointer)
}
