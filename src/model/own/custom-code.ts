import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as tfjs from '@tensorflow/tfjs'
import type { TensorFlow } from '../networks/tfjs.js'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { cacheDirectory } from '../../shared/cache-directory.js'
import { ConvoyError } from '../../shared/errors.js'
import { makeDirectory } from '../../shared/make-directory.js'
import { MAX_CONFIG_BYTES, readTextIfThere } from '../../shared/read-file.js'
import type { RunConfig } from '../config/run-config.js'
import { REJECTED_LAYERS, TRAINED_LAYERS } from '../layer-support.js'
import { BUILT_IN_LOSSES } from '../objectives/objective.js'
import type { MakeCallbacks } from '../../training/callbacks/own-callbacks.js'
import { callbacksOf } from '../../training/callbacks/own-callbacks.js'
import { rememberInitializers } from './custom-initializers.js'
import { CUSTOM_EXPORT, moduleName, readModule } from './read-module.js'

/**
 * Layers, losses, metrics and callbacks of the user's: the export `custom` of a module. Coordinator and workers load it from their own disks. A run knows
 * it by its hash, and each machine knows from the cache which file has that hash.
 */
export interface CustomCode {
  /** By class name. */
  readonly layers: Readonly<Record<string, CustomLayer>>
  readonly losses: Readonly<Record<string, SampleFunction>>
  /** By name: of every output, or by the names of the outputs that have it. */
  readonly metrics: Readonly<Record<string, SampleFunction | Readonly<Record<string, SampleFunction>>>>
  /** The coordinator alone calls them. */
  readonly callbacks?: MakeCallbacks
}

type CustomLayer = Parameters<typeof tfjs.serialization.registerClass>[0] & { readonly className: string }

/**
 * @param targets float32, `[samples, numbers]`; of classes, rows with a 1 for the class
 * @param outputs of the model, the same shape
 * @returns a value of each sample: `[samples]`, or `[samples, …]` of which the mean is taken
 */
export type SampleFunction = (targets: tfjs.Tensor, outputs: tfjs.Tensor) => tfjs.Tensor

export type CustomSource = NonNullable<RunConfig['custom']>

const recordSchema = z.object({ file: z.string() })

/**
 * Remembers in the cache where custom code lies. Nothing of it is run.
 * @param given path of the module
 * @throws ConvoyError('usage') when it has none
 */
export async function registerCustomCode(given: string): Promise<CustomSource> {
  const file = path.resolve(given)
  const module = readModule(file)
  if (!module.exportNames.includes(CUSTOM_EXPORT))
    throw new ConvoyError(
      'usage',
      `${given}: it exports no custom code; write export const custom = (tf) => ({ layers, losses, metrics, callbacks }).`,
    )
  const record = recordOf(module.sha256)
  await makeDirectory(path.dirname(record))
  await writeFileAtomic(record, `${JSON.stringify({ file })}\n`)
  return { name: moduleName(file), sha256: module.sha256 }
}

/**
 * Loads the custom code of a run from this machine's disk.
 * @param tf that its layers and ops are made of; the layers are registered there
 * @returns undefined when the run has none
 * @throws ConvoyError('usage') when this machine has no module of that hash, or the module is wrong
 */
export async function loadCustomCode(
  custom: CustomSource | undefined,
  tf: TensorFlow,
): Promise<CustomCode | undefined> {
  if (custom === undefined) return undefined
  const file = findFile(custom)
  try {
    const { custom: make } = (await import(pathToFileURL(file).href)) as { custom: unknown }
    if (typeof make !== 'function') throw new Error('its export custom is no function of tf')
    const code = checked(await (make as (given: typeof tf) => unknown)(tf))
    rememberInitializers(tf)
    for (const layer of Object.values(code.layers)) tf.serialization.registerClass(layer)
    return code
  } catch (error) {
    const { message } = error as Error
    throw new ConvoyError('usage', `${file}: ${message.replace(/\.$/, '')}.`, { cause: error })
  }
}

function recordOf(sha256: string): string {
  return path.join(cacheDirectory(), 'custom', `${sha256}.json`)
}

/** Where the module of this hash lies. */
function findFile({ name, sha256 }: CustomSource): string {
  const text = readTextIfThere(recordOf(sha256), MAX_CONFIG_BYTES)
  const remedy =
    'name its file once with `convoy worker --custom <module>`, or with train, eval, predict and inspect alike'
  if (text === undefined)
    throw new ConvoyError(
      'usage',
      `The run has custom code, ${name} (sha256 ${sha256.slice(0, 16)}), which this machine does not know; ${remedy}.`,
    )
  const { file } = recordSchema.parse(JSON.parse(text))
  let found: string | undefined
  try {
    found = readModule(file).sha256
  } catch {
    // It was removed.
  }
  if (found === sha256) return file
  throw new ConvoyError(
    'usage',
    `The run has custom code, ${name} (sha256 ${sha256.slice(0, 16)}), and ${file} is not that any more; ${remedy}, or put it back as it was.`,
  )
}

/** @throws Error naming what is wrong */
function checked(given: unknown): CustomCode {
  if (!isRecord(given)) throw new Error('its function custom returns no object')
  const { layers = [], losses = {}, metrics = {}, callbacks, ...others } = given
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new Error(`custom has ${unknown}; it may have layers, losses, metrics and callbacks`)
  if (!Array.isArray(layers)) throw new Error('custom.layers is no list of classes')
  if (!isRecord(losses)) throw new Error('custom.losses is no object of functions')
  if (!isRecord(metrics)) throw new Error('custom.metrics is no object of functions')
  for (const name of [...Object.keys(losses), ...Object.keys(metrics)])
    if (!/^[A-Za-z]\w{0,63}$/.test(name)) throw new Error(`the name ${name} is none: use letters, digits and _`)
  const functions = [
    ...Object.entries(losses),
    ...Object.entries(metrics).flatMap(([name, value]) => each(name, value)),
  ]
  for (const [name, value] of functions) if (typeof value !== 'function') throw new Error(`${name} is no function`)
  const builtIn = Object.keys(losses).find((name) => BUILT_IN_LOSSES.includes(name))
  if (builtIn !== undefined) throw new Error(`the loss ${builtIn} exists already; give it another name`)
  return {
    layers: Object.fromEntries((layers as CustomLayer[]).map((layer) => [classNameOf(layer), layer])),
    losses: losses as CustomCode['losses'],
    metrics: metrics as CustomCode['metrics'],
    ...(callbacks !== undefined && { callbacks: callbacksOf(callbacks) }),
  }
}

function each(name: string, value: unknown): [string, unknown][] {
  return isRecord(value) ? Object.entries(value).map(([output, one]) => [`${name}.${output}`, one]) : [[name, value]]
}

function classNameOf(layer: CustomLayer): string {
  const { className } = layer as Partial<CustomLayer>
  if (typeof layer !== 'function' || typeof className !== 'string')
    throw new Error('a layer in custom.layers is no class with a static className')
  if (TRAINED_LAYERS.includes(className) || className in REJECTED_LAYERS)
    throw new Error(`the layer ${className} exists already; give it another className`)
  return className
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
