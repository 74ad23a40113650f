import { z } from 'zod'
import type { JsonSchema } from '../../shared/json-schema.js'
import { scheduleOf } from '../../training/schedules/schedules.js'
import { isFormerName } from './former-names.js'
import { OWN_NETWORK } from '../networks/networks.js'
import { runConfigSchema } from './run-config.js'

/** One value of the run configuration. */
export interface Setting {
  /** `optimizer.momentum` */
  readonly path: string
  /** The kind of optimizer or schedule that has it; undefined: all. */
  readonly kind: string | undefined
  /** The values to choose from, without former names; undefined: see the schema. */
  readonly choices: readonly string[] | undefined
  readonly schema: JsonSchema
  /** It may be absent, and has no default. */
  readonly isOptional: boolean
}

/** Stands for the highest learning rate of whichever schedule there is: {@link highestRateOf}. */
export const HIGHEST_RATE = 'learningRate'

/** The setting of a schedule that is its highest learning rate. @param kind such as `step`; the schema rejects unknown kinds */
export function highestRateOf(kind: unknown): string {
  return scheduleOf(kind)?.highest ?? 'peak'
}

/** The meaning of each setting, with the values to choose from, by path; {@link HIGHEST_RATE} too. */
export function settingTexts(): ReadonlyMap<string, string> {
  const texts = new Map(
    settings().map(({ path, choices, schema: { description = '' } }) => [
      path,
      choices === undefined ? description : `${description} (${choices.join(', ')})`,
    ]),
  )
  return texts.set(HIGHEST_RATE, texts.get('schedule.peak')!)
}

/** All settings in the order of the schema: one for each value, `optimizer.kind` and `schedule.kind` once. */
export function settings(): readonly Setting[] {
  return settingsIn(z.toJSONSchema(runConfigSchema, { io: 'input' }) as JsonSchema, [], undefined)
}

function settingsIn(
  schema: JsonSchema,
  path: readonly string[],
  kind: string | undefined,
  isOptional = false,
): Setting[] {
  if (schema.oneOf !== undefined) return settingsOfKinds(schema, schema.oneOf, path)
  if (schema.properties === undefined)
    return [{ path: path.join('.'), kind, choices: schema.enum?.filter(isForUsers), schema, isOptional }]
  return Object.entries(schema.properties).flatMap(([name, child]) => {
    const mayBeAbsent = schema.required?.includes(name) !== true && !('default' in child)
    return settingsIn(child, [...path, name], kind, isOptional || mayBeAbsent)
  })
}

/** Former names, and the one that stands for a model of one's own, are not chosen. */
function isForUsers(name: string): boolean {
  return !isFormerName(name) && name !== OWN_NETWORK
}

/** The kind first, then the settings of each. */
function settingsOfKinds(
  { description = '' }: JsonSchema,
  schemas: readonly JsonSchema[],
  path: readonly string[],
): Setting[] {
  const kinds = schemas.map(({ properties }) => properties!['kind']!)
  return [
    {
      path: [...path, 'kind'].join('.'),
      kind: undefined,
      choices: kinds.map((kind) => kind.const!),
      schema: { ...kinds[0]!, description },
      isOptional: false,
    },
    ...schemas.flatMap((schema, index) =>
      settingsIn(schema, path, kinds[index]!.const).filter((setting) => !setting.path.endsWith('.kind')),
    ),
  ]
}
