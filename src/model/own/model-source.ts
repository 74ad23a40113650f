import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { ConvoyError } from '../../shared/errors.js'
import { cannotBeRead, isThere } from '../../shared/path-access.js'
import { MAX_JSON_BYTES, readRegularFile } from '../../shared/read-file.js'
import { CUSTOM_EXPORT, MODULE, moduleName, readModule } from './read-module.js'

/** What `--model` names. */
export interface ModelSource {
  /** A module that builds a model, or the directory of a saved one. */
  readonly kind: 'module' | 'saved'
  /** Absolute. */
  readonly file: string
  /** Of the file or directory, without its ending. */
  readonly name: string
  /** Of the module and of what it imports; of a saved model, of all of its files. */
  readonly sha256: string
  /** Of a saved model, where the state of its optimizer lies; absent: it has none. */
  readonly optimizerFile?: string
  /** Whether the module has custom code too. */
  readonly hasCustomCode: boolean
}

const MODEL_FILE = 'model.json'
/** Beside it, if the training is to go on with an optimizer's state. */
export const OPTIMIZER_FILE = 'optimizer.safetensors'
/** A buffer of Node holds no more than 4 GiB in every version. */
const MAX_WEIGHT_BYTES = 4 * 2 ** 30 - 1

/** As tf.LayersModel.save writes it. */
const savedSchema = z.looseObject({
  format: z.string().optional(),
  modelTopology: z.looseObject({}),
  weightsManifest: z.array(
    z.looseObject({
      paths: z.array(z.string()),
      weights: z.array(z.looseObject({ name: z.string(), shape: z.array(z.int().min(0)), dtype: z.string() })),
    }),
  ),
})
export type SavedModel = z.output<typeof savedSchema>

/**
 * Finds and hashes what `--model` names. Nothing of it is run.
 * @throws ConvoyError('usage') when it is neither a module nor a saved LayersModel
 */
export function findModel(given: string): ModelSource {
  const found = path.resolve(given)
  let isDirectory: boolean
  try {
    isDirectory = statSync(found).isDirectory()
  } catch (error) {
    throw cannotBeRead(`--model ${given}`, error)
  }
  const name = moduleName(found)
  if (!isDirectory && MODULE.test(found)) {
    const { sha256, exportNames } = readModule(found)
    return { kind: 'module', file: found, name, sha256, hasCustomCode: exportNames.includes(CUSTOM_EXPORT) }
  }
  const directory = isDirectory ? savedIn(found) : path.dirname(found)
  if (!isDirectory && path.basename(found) !== MODEL_FILE)
    throw new ConvoyError(
      'usage',
      `--model ${given}: give a module that builds a model (.mjs, .js) or the directory of a saved LayersModel.`,
    )
  const { text, manifest } = readSaved(directory)
  const weights = readWeights(directory, manifest)
  const optimizerFile = path.join(directory, OPTIMIZER_FILE)
  const optimizer = isThere(optimizerFile) ? [readOptimizerFile(optimizerFile)] : []
  return {
    ...{ kind: 'saved', file: directory, name, hasCustomCode: false },
    sha256: sha256Of([text, ...weights, ...optimizer]),
    ...(optimizer.length > 0 && { optimizerFile }),
  }
}

/** A model that a run has saved lies in a directory of its own. */
export function savedIn(directory: string): string {
  const inner = path.join(directory, 'layers-model')
  return !isThere(path.join(directory, MODEL_FILE)) && isThere(path.join(inner, MODEL_FILE)) ? inner : directory
}

/** @throws ConvoyError('usage') when it is not a saved LayersModel */
export function readSaved(directory: string): { readonly text: Buffer; readonly manifest: SavedModel } {
  const file = path.join(directory, MODEL_FILE)
  const text = readRegularFile(file, MAX_JSON_BYTES)
  let parsed: unknown
  try {
    parsed = JSON.parse(text.toString())
  } catch (error) {
    throw new ConvoyError('usage', `--model: ${file} is no JSON; save the model anew.`, { cause: error })
  }
  const { data, error } = savedSchema.safeParse(parsed)
  if (data?.format === 'graph-model')
    throw new ConvoyError(
      'usage',
      `--model: ${file} is a graph model, which cannot be trained; convert the original to a LayersModel.`,
    )
  if (error)
    throw new ConvoyError('usage', `--model: ${file} is no saved LayersModel (${error.issues[0]!.path.join('.')}).`)
  return { text, manifest: data }
}

/** The weights' files in the manifest's order. @throws ConvoyError('usage') when one cannot be read or lies elsewhere */
export function readWeights(directory: string, { weightsManifest }: SavedModel): Buffer[] {
  return weightsManifest
    .flatMap(({ paths }) => paths)
    .map((name) => {
      const file = path.resolve(directory, name)
      if (!file.startsWith(directory + path.sep))
        throw new ConvoyError('usage', `--model: ${directory} names a file outside of it, ${name}.`)
      return readRegularFile(file, MAX_WEIGHT_BYTES)
    })
}

/** @throws ConvoyError('usage') when it cannot be read */
export function readOptimizerFile(file: string): Buffer {
  return readRegularFile(file, MAX_WEIGHT_BYTES)
}

function sha256Of(parts: readonly Buffer[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
