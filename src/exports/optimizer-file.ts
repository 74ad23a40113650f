import { z } from 'zod'
import { ConvoyError } from '../shared/errors.js'
import { decodeSafetensors, decodeSafetensorsMetadata } from './decode-safetensors.js'
import type { NamedTensor } from './encode-safetensors.js'
import { encodeSafetensors } from './encode-safetensors.js'

/** What an optimizer remembers after some steps, as a file beside a saved model has it. */
export interface StoredOptimizer {
  /** Of its settings: `adamw`. */
  readonly kind: string
  /** That it has taken: they decide its numbers, such as the bias correction of adamw. */
  readonly steps: number
  /** Of each state vector and each trainable tensor, with the tensor's shape: `first/dense/kernel`. */
  readonly tensors: readonly NamedTensor[]
}

/** The numbers of a state are computed from step 1 on: about a second for so many. */
const MAX_STEPS = 100_000_000
const FORMAT = 'convoy-optimizer'

const metadataSchema = z.looseObject({
  format: z.literal(FORMAT),
  kind: z.string(),
  steps: z.coerce.number().int().min(0).max(MAX_STEPS),
})

export function encodeOptimizer({ kind, steps, tensors }: StoredOptimizer): Buffer {
  return encodeSafetensors(tensors, { format: FORMAT, kind, steps: String(steps) })
}

/**
 * Reads what {@link encodeOptimizer} wrote.
 * @param file for error texts
 * @throws ConvoyError('data') when it is no such file, or is damaged
 */
export function decodeOptimizer(bytes: Buffer, file: string): StoredOptimizer {
  const { data, error } = metadataSchema.safeParse(decodeSafetensorsMetadata(bytes, file))
  if (error)
    throw new ConvoyError(
      'data',
      `${file} is no state of an optimizer: its metadata has no valid ${error.issues[0]!.path.join('.')}; remove it to begin with a new optimizer.`,
    )
  return { kind: data.kind, steps: data.steps, tensors: decodeSafetensors(bytes, file) }
}
