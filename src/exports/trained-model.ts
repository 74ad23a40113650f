import { createHash } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { sizeOf } from '../data/dataset.js'
import type { FrozenTensor } from '../model/frozen-weights.js'
import { readFrozenWeights } from '../model/frozen-weights.js'
import type { RunDescription } from '../model/run-description.js'
import type { NamedTensor } from './encode-safetensors.js'
import { ConvoyError } from '../shared/errors.js'
import { makeDirectory } from '../shared/make-directory.js'
import { isThere, statIfThere } from '../shared/path-access.js'
import { MAX_JSON_BYTES, readRegularFile } from '../shared/read-file.js'
import { makeUniqueDirectory } from '../shared/staging.js'
import { syncDirectory } from '../shared/sync-directory.js'
import { EXPORTERS } from './exporters.js'
import type { WeightsOrigin } from './model-metadata.js'
import { modelMetadata } from './model-metadata.js'
import { decodeSafetensors } from './decode-safetensors.js'
import { SAFETENSORS_FILE } from './safetensors-model.js'

/** Weights of a run at a step, and all that is needed to use them. */
export interface TrainedModel {
  readonly description: RunDescription
  /** float32, `[layout.weightCount]` */
  readonly weights: Float32Array
  /** The values of frozen weights. Absent: there are none, or they are in the cache. */
  readonly frozen?: Float32Array
  /** Steps that made these weights. */
  readonly step: number
}

export const WEIGHTS_NAMES = ['best', 'last'] as const
export type WeightsName = (typeof WEIGHTS_NAMES)[number]

interface Manifest {
  readonly convoy: string
  readonly step: number
  readonly description: RunDescription
  readonly sha256: Readonly<Record<string, string>>
}

const count = z.int().min(0)
const tensorSchema = z.looseObject({ name: z.string(), offset: count, size: count })
const layoutSchema = z.looseObject({ weightCount: count, tensors: z.array(tensorSchema) })
/** The part of the manifest that is read before the weights. */
const manifestSchema = z.looseObject({
  step: count,
  description: z.looseObject({
    config: z.looseObject({}),
    dataset: z.looseObject({}),
    model: z.looseObject({ layout: layoutSchema }),
  }),
  sha256: z.record(z.string(), z.string()),
})

const MANIFEST = 'convoy.json'
/** Of one file of weights: 500 million of them. */
const MAX_WEIGHTS_BYTES = 2e9

/**
 * Saves the model in all formats (exporters.ts) and `convoy.json` (everything else, with hashes) as one directory that appears by
 * one rename, all synced; what was there before is replaced. What a save that was killed left is removed.
 * @returns bytes written
 */
export async function saveTrainedModel(
  directory: string,
  trained: TrainedModel,
  version: string,
  origin: WeightsOrigin = {},
): Promise<number> {
  const { description, step } = trained
  const metadata = modelMetadata(description, step, origin, version)
  const { model } = description
  const tensors = tensorsOf(trained, trained.frozen ?? (await readFrozenWeights(model.frozen)))
  const exported = EXPORTERS.map((exporter) => exporter.encode({ model, tensors, metadata }))
  const files = Object.assign({}, ...exported) as Record<string, Buffer | string>
  const sha256 = Object.fromEntries(Object.entries(files).map(([name, content]) => [name, hashOf(content)]))
  const manifest: Manifest = { convoy: version, step, description, sha256 }
  files[MANIFEST] = `${JSON.stringify(manifest, null, 2)}\n`

  await makeDirectory(path.dirname(directory))
  const prefix = `.${path.basename(directory)}-new-`
  for (const name of await readdir(path.dirname(directory)))
    if (name.startsWith(prefix)) await rm(path.join(path.dirname(directory), name), { recursive: true, force: true })
  const staging = await makeUniqueDirectory(path.join(path.dirname(directory), prefix))
  try {
    const directories = [...new Set(Object.keys(files).map((name) => path.dirname(path.join(staging, name))))]
    for (const place of directories) await mkdir(place, { recursive: true })
    for (const [name, content] of Object.entries(files)) await writeSynced(path.join(staging, name), content)
    for (const place of [...directories, staging]) await syncDirectory(place)
    await replaceDirectory(staging, directory)
    return Object.values(files).reduce((bytes, content) => bytes + Buffer.byteLength(content), 0)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** About what {@link saveTrainedModel} writes: weights and description once in each format. */
export function savedBytes({ model, dataset }: RunDescription): number {
  const frozen = model.frozen?.tensors.reduce((sum, { size }) => sum + size, 0) ?? 0
  return (
    4 * EXPORTERS.length * (model.layout.weightCount + frozen) +
    4 * JSON.stringify({ model, dataset }).length +
    64 * 1024
  )
}

/** Where a run keeps those weights; undefined: it has none yet. */
export function modelIn(run: string, which: WeightsName): string | undefined {
  const directory = path.join(run, 'model', which)
  // A process that was killed between two renames left the weights of before.
  return [directory, replacedBy(directory)].find((place) => isThere(path.join(place, MANIFEST)))
}

/** Whether a directory is a saved model itself, not a run that has some. */
export function isSavedModel(directory: string): boolean {
  return isThere(path.join(directory, MANIFEST))
}

/**
 * Loads and verifies a saved model.
 * @param place a run directory (`model/best` or `model/last` in it), or the directory of a saved model itself
 * @throws ConvoyError('usage') when there is none or it cannot be read, ConvoyError('data') when it is damaged
 */
export async function loadTrainedModel(place: string, which: WeightsName): Promise<TrainedModel> {
  if ((await statIfThere(place)) === undefined)
    throw new ConvoyError(
      'usage',
      `${place}: there is no such directory; give that of a run that has ended, such as one under runs/.`,
    )
  const directory = isSavedModel(place) ? place : modelIn(place, which)
  if (directory === undefined) {
    const other = WEIGHTS_NAMES.find((name) => modelIn(place, name) !== undefined)
    if (other !== undefined)
      throw new ConvoyError(
        'usage',
        `${place} holds no ${which} weights: no validation chose any before it ended. It holds the ${other} ones: \`convoy eval --weights ${other}\`, and predict and inspect alike.`,
      )
    throw new ConvoyError(
      'usage',
      `${place} holds no trained model (no ${path.join('model', which, MANIFEST)}); give the directory of a run that has ended.`,
    )
  }
  const manifestFile = path.join(directory, MANIFEST)
  const text = readRegularFile(manifestFile, MAX_JSON_BYTES).toString()
  let manifest: Manifest
  try {
    manifest = manifestSchema.parse(JSON.parse(text)) as unknown as Manifest
  } catch (error) {
    const wrong = error instanceof z.ZodError ? error.issues[0] : undefined
    const why = wrong ? `${wrong.path.join('.')}: ${wrong.message}` : (error as Error).message
    throw new ConvoyError('data', `${manifestFile} is damaged: ${why}.`, { cause: error })
  }
  const file = path.join(directory, SAFETENSORS_FILE)
  const bytes = readRegularFile(file, MAX_WEIGHTS_BYTES, 'data')
  if (hashOf(bytes) !== manifest.sha256[SAFETENSORS_FILE]) {
    throw new ConvoyError(
      'data',
      `${file} is damaged: its sha256 is not the one in ${MANIFEST}. Use the other weights of its run (\`convoy eval --weights ${which === 'best' ? 'last' : 'best'}\`, and predict and inspect alike), or train again.`,
    )
  }
  const { layout } = manifest.description.model
  const byName = new Map(decodeSafetensors(bytes, file).map(({ name, values }) => [name, values]))
  const end = layout.tensors.reduce((most, { offset, size }) => Math.max(most, offset + size), 0)
  if (end !== layout.weightCount || 4 * end > bytes.length)
    throw new ConvoyError('data', `${manifestFile} is damaged: its tensors do not make ${layout.weightCount} weights.`)
  const vectorOf = (length: number, tensors: readonly Placed[]): Float32Array => {
    const vector = new Float32Array(length)
    for (const { name, offset, size } of tensors) {
      const values = byName.get(name)
      if (values?.length !== size)
        throw new ConvoyError('data', `${file}: the tensor ${name} is missing or has another size than the model's.`)
      vector.set(values, offset)
    }
    return vector
  }
  const { description, step } = manifest
  const { frozen } = description.model
  return {
    ...{ description, step, weights: vectorOf(layout.weightCount, layout.tensors) },
    ...(frozen && { frozen: vectorOf(sizeOf(frozen.stored.inputs[0]!.shape), frozen.tensors) }),
  }
}

type Placed = Pick<FrozenTensor, 'name' | 'offset' | 'size'>

/** All weights by name. */
function tensorsOf({ description, weights }: TrainedModel, frozenValues: Float32Array | undefined): NamedTensor[] {
  const { layout, frozen } = description.model
  const cut =
    (vector: Float32Array) =>
    ({ name, shape, offset, size }: FrozenTensor): NamedTensor => ({
      ...{ name, shape, values: vector.subarray(offset, offset + size) },
    })
  return [...layout.tensors.map(cut(weights)), ...(frozen && frozenValues ? frozen.tensors.map(cut(frozenValues)) : [])]
}

function hashOf(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex')
}

async function writeSynced(file: string, content: Buffer | string): Promise<void> {
  const handle = await open(file, 'w')
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What is replaced lies there for the moment between two renames: a directory with content cannot be replaced by one. */
function replacedBy(target: string): string {
  return path.join(path.dirname(target), `.${path.basename(target)}-replaced`)
}

async function replaceDirectory(staging: string, target: string): Promise<void> {
  const aside = replacedBy(target)
  if (isThere(target)) {
    await rm(aside, { recursive: true, force: true })
    await rename(target, aside)
  }
  await rename(staging, target)
  await syncDirectory(path.dirname(target))
  await rm(aside, { recursive: true, force: true })
}
