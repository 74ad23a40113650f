import { z } from 'zod'
import { ConvoyError } from '../shared/errors.js'
import { MAX_SAVED_BYTES } from '../training/callbacks/callback-runner.js'
import { MAX_RATE_FACTOR } from '../training/callbacks/own-callbacks.js'
import type { StoredValues } from '../training/training-state-tensors.js'
import type { CheckpointManifest } from './checkpoint-manifest.js'
import { CHECKPOINT_FORMAT } from './checkpoint-manifest.js'
import { evaluationSchema } from './stored-evaluation.js'

const count = z.int().min(0)
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const snapshot = z.strictObject({ step: count, validation: evaluationSchema })
const tensor = z.looseObject({
  name: z.string(),
  shape: z.array(count),
  offset: count,
  size: count,
  trainable: z.boolean(),
})
const callbacks = z.strictObject({
  plateau: z.strictObject({ reductions: count, step: count }),
  rateFactor: z.number().positive().max(MAX_RATE_FACTOR),
  isStopped: z.boolean(),
  saved: z.string().max(MAX_SAVED_BYTES).nullable(),
})
const manifestSchema = z.strictObject({
  format: z.literal(CHECKPOINT_FORMAT),
  convoy: z.string(),
  run: z.strictObject({ directory: z.string(), name: z.string(), recipe: z.string() }),
  createdAt: z.string(),
  position: z.strictObject({ step: count, epoch: z.number().min(0), samplesSeen: count, seed: count }),
  description: z.strictObject({
    config: z.looseObject({}),
    dataset: z.looseObject({ fingerprint: z.string() }),
    model: z.looseObject({
      layout: z.looseObject({ tensors: z.array(tensor), trainableCount: count, weightCount: count }),
    }),
  }),
  values: z.strictObject({
    step: count,
    optimizer: z.record(z.string(), z.number()),
    best: snapshot.nullable(),
    last: snapshot.nullable(),
    callbacks: callbacks.exactOptional(),
    history: z.record(z.string(), z.number()),
  }),
  vectors: z.record(z.string(), count),
  weightsSha256: sha256,
  deviceFingerprint: z.string().nullable(),
  ancestor: z.strictObject({ run: z.string(), step: count, weightsSha256: sha256 }).nullable(),
})

/**
 * @param file for error texts
 * @throws ConvoyError('data') for another format, which is in its details, or when a field is missing or wrong
 */
export function decodeManifest(text: string, file: string): CheckpointManifest {
  const damaged = (why: string, cause: unknown): ConvoyError =>
    new ConvoyError('data', `${file} is damaged: ${why}.`, { cause })
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw damaged('it is no JSON', error)
  }
  const { format } = (parsed ?? {}) as { format?: unknown }
  if (Number.isInteger(format) && format !== CHECKPOINT_FORMAT)
    throw new ConvoyError(
      'data',
      `${file} has format ${String(format)}; this version of Convoy reads format ${CHECKPOINT_FORMAT}. Resume with the version that wrote it.`,
      { details: { format } },
    )
  const { data, error } = manifestSchema.safeParse(parsed)
  if (error) throw damaged(`${error.issues[0]!.path.join('.')}: ${error.issues[0]!.message}`, error)
  // The schema reorders keys; description and configuration are compared as text.
  return { ...(parsed as CheckpointManifest), values: data.values as unknown as StoredValues }
}
