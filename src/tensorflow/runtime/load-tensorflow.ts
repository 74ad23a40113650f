import Module, { createRequire } from 'node:module'
import nodeUtil from 'node:util'
import { ConvoyError } from '../../shared/errors.js'
import { shortageIn } from '../../shared/own-shortage.js'
import type { TensorFlow } from '../engine/native-backend.js'
import { nativeBackend } from '../engine/native-backend.js'
import { setAbslLogLevel } from './native-calls.js'
import type { DeviceChoice } from './device-choice.js'
import { checkDevice, hideGpus } from './device-choice.js'
import type { InstalledRuntime } from './runtime-directory.js'
import { findRuntime } from './runtime-directory.js'
import { setTensorflowEnvironment } from './tensorflow-environment.js'

export type { TensorFlow }

/** TensorFlow.js, and the native runtime that it runs on. */
export interface LoadedTensorflow {
  readonly tf: TensorFlow
  readonly runtime: InstalledRuntime
}

let loaded: LoadedTensorflow | undefined

/**
 * Loads `@tensorflow/tfjs-node-gpu` on the native runtime from the per-user cache; once per process, on one thread, since
 * the addon keeps process-wide state.
 *
 * @param device the device; only the first call in a process decides it
 * @throws ConvoyError('environment') when no runtime is installed, its libraries cannot be loaded, or the GPU cannot be used
 */
export function loadTensorflow(device: DeviceChoice = 'auto'): LoadedTensorflow {
  if (loaded) return loaded
  const runtime = findRuntime()
  if (runtime === undefined) {
    throw new ConvoyError(
      'environment',
      'The native TensorFlow runtime is not installed. Run `npx convoy runtime install`.',
    )
  }
  setTensorflowEnvironment()
  hideGpus(device)
  const require = createRequire(import.meta.url)
  // tfjs-node asks node-pre-gyp for the path of its addon; ours is in the cache. Its hundred modules are not loaded for that.
  const nodeRequire = createRequire(require.resolve('@tensorflow/tfjs-node-gpu'))
  const finder = new Module(nodeRequire.resolve('@mapbox/node-pre-gyp'))
  finder.exports = { find: () => runtime.addonPath }
  finder.loaded = true
  nodeRequire.cache[finder.id] = finder
  replaceOldUtil()
  let tf: TensorFlow
  try {
    setAbslLogLevel(runtime.directory)
    tf = require('@tensorflow/tfjs-node-gpu') as TensorFlow
  } catch (error) {
    const [reason] = (error as Error).message.split('\n')
    const lacking = shortageIn(reason!)
    throw new ConvoyError(
      'environment',
      `The native TensorFlow runtime in ${runtime.directory} cannot be loaded (${reason}). ` +
        (lacking
          ? `This process lacks ${lacking.of}: ${lacking.remedy}.`
          : 'Delete that directory and run `npx convoy runtime install`.'),
      { cause: error },
    )
  }
  checkDevice(device, nativeBackend(tf).isUsingGpuDevice, runtime.kind)
  loaded = { tf, runtime }
  return loaded
}

/** Replaces two functions that tfjs-node calls: Node 22 prints warnings about them, and Node 23 removed one. */
function replaceOldUtil(): void {
  const util = nodeUtil as unknown as Record<string, unknown>
  util['isArray'] = Array.isArray
  util['isNullOrUndefined'] = (value: unknown) => value === null || value === undefined
}
