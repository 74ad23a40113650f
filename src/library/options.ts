import { ConvoyError } from '../shared/errors.js'
import { listed } from '../shared/log/listed.js'

/** @param values by the flag's name; those that are undefined have no flag */
export function flagsOf(values: Readonly<Record<string, string | number | undefined>>): string[] {
  return Object.entries(values).flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag}=${value}`]))
}

/** @param call the function whose options they are @throws ConvoyError('usage') for an option that would be ignored */
export function rejectUnknown(call: string, options: object, known: readonly string[], hint?: string): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new ConvoyError('usage', `${call}: there is no option ${unknown}; ${hint ?? `there are ${listed(known)}`}.`)
}
