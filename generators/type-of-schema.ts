import type { JsonSchema } from '../src/shared/json-schema.js'

/** Type and limits of a value in words, such as `integer 1 to 65536` or `number above 0, below 1`. */
export function typeOf(schema: JsonSchema): string {
  const { type, enum: values, anyOf, items, maxItems } = schema
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' or ')
  if (values !== undefined) return values.join(', ')
  if (items !== undefined) {
    const atMost = maxItems === undefined ? '' : `, at most ${maxItems}`
    return `array of ${typeOf(items)}${atMost}`
  }
  return [type!, limitsOf(schema)].filter((part) => part !== '').join(' ')
}

/** Limits of integers that are only those of a float64 are left out. */
function limitsOf({ minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below }: JsonSchema): string {
  const least = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? minimum : undefined
  const most = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? maximum : undefined
  if (least !== undefined && most !== undefined) return `${least} to ${most}`
  const bounds = [
    ...(least === undefined ? [] : [`${least} or more`]),
    ...(above === undefined ? [] : [`above ${above}`]),
    ...(most === undefined ? [] : [`at most ${most}`]),
    ...(below === undefined ? [] : [`below ${below}`]),
  ]
  return bounds.join(', ')
}
