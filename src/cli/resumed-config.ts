import { isDeepStrictEqual } from 'node:util'
import type { RunConfig } from '../model/config/run-config.js'
import { ConvoyError } from '../shared/errors.js'

/** A setting that differs between two configurations. */
export interface ChangedSetting {
  /** Such as `optimizer.momentum`. */
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

/** A resumed run may train for longer. Every other setting decides weights that it has already. */
const MAY_CHANGE = ['epochs', 'maxSteps', 'earlyStopping']

/** @returns the settings that differ, in the order of the configuration */
export function changedSettings(before: unknown, after: unknown, path = ''): ChangedSetting[] {
  if (!isTree(before) || !isTree(after)) return isDeepStrictEqual(before, after) ? [] : [{ path, before, after }]
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
    changedSettings(before[key], after[key], path === '' ? key : `${path}.${key}`),
  )
}

/**
 * The settings with which a resumed run goes on otherwise than it began.
 * @throws ConvoyError('usage') naming every setting that may not change
 */
export function allowedChanges(before: RunConfig, after: RunConfig): ChangedSetting[] {
  const refused = otherSettings(before, after)
  if (refused.length > 0)
    throw new ConvoyError('usage', [
      'A resumed run keeps its settings, or its weights would be those of no configuration. Leave these out, or begin a new run from its checkpoint with --fork:',
      ...refused.map(describe),
    ])
  return changedSettings(before, after)
}

/** The settings that differ and may not. */
export function otherSettings(before: RunConfig, after: RunConfig): ChangedSetting[] {
  return changedSettings(before, after).filter(({ path }) => !MAY_CHANGE.includes(path))
}

/** Such as `epochs: 10 before, 20 now`. */
export function describe({ path, before, after }: ChangedSetting): string {
  return `${path}: ${text(before)} before, ${text(after)} now`
}

function text(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value)
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
