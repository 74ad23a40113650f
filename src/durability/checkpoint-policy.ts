import { ConvoyError } from '../shared/errors.js'

/** How often checkpoints are made: by time, by steps, at each epoch's end, or never. */
export type CheckpointEvery =
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'steps'; readonly steps: number }
  | { readonly kind: 'epoch' }
  | { readonly kind: 'off' }

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 }
const TIME = /^(\d+(?:\.\d+)?) ?(s|m|h)$/
const STEPS = /^([1-9]\d{0,8}) ?steps?$/
/** Writing takes about this long on a slow disk. */
const MIN_MS = 1_000

/** @throws ConvoyError('usage') when the text is none of the forms */
export function parseCheckpointEvery(text: string): CheckpointEvery {
  if (text === 'epoch' || text === 'off') return { kind: text }
  const steps = STEPS.exec(text)?.[1]
  if (steps !== undefined) return { kind: 'steps', steps: Number(steps) }
  const [, number, unit] = TIME.exec(text) ?? []
  const ms = Number(number) * UNIT_MS[unit ?? '']!
  if (ms >= MIN_MS && ms <= 7 * 24 * UNIT_MS['h']!) return { kind: 'time', ms }
  throw new ConvoyError(
    'usage',
    'write a time from 1s to 168h such as 5m, a number of steps such as "500 steps", epoch, or off',
  )
}

/** Since the last checkpoint. */
export interface SinceCheckpoint {
  readonly steps: number
  readonly ms: number
  /** An epoch ended with the last step. */
  readonly endsEpoch: boolean
}

/** Whether a checkpoint is due by the interval that the user chose. */
export function isCheckpointDue(every: CheckpointEvery, { steps, ms, endsEpoch }: SinceCheckpoint): boolean {
  if (steps === 0) return false
  switch (every.kind) {
    case 'time':
      return ms >= every.ms
    case 'steps':
      return steps >= every.steps
    case 'epoch':
      return endsEpoch
    case 'off':
      return false
  }
}
