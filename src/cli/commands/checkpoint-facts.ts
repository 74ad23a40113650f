import type { CheckpointManifest } from '../../durability/checkpoint-manifest.js'
import { formatShare } from '../../shared/units.js'

/** A validation that is part of a checkpoint. */
export interface ValidationFacts {
  readonly step: number
  readonly loss: number
  /** Absent without classes. */
  readonly accuracy?: number
}

/** @returns null: there was no validation yet */
export function validationOf({ values }: CheckpointManifest, weights: 'best' | 'last'): ValidationFacts | null {
  const snapshot = values[weights]
  if (snapshot === null) return null
  const { loss, accuracy } = snapshot.validation
  return { step: snapshot.step, loss, ...(accuracy !== undefined && { accuracy }) }
}

/** Such as `77.3 % (step 20)`. */
export function describeAccuracy(validation: ValidationFacts | null): string {
  if (validation === null) return 'none'
  const { accuracy, loss, step } = validation
  return `${accuracy === undefined ? `loss ${loss.toFixed(4)}` : formatShare(accuracy)} (step ${step})`
}

/** `2026-01-31 12:05:54 UTC`. @param iso ISO 8601, UTC */
export function describeTime(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')} UTC`
}
