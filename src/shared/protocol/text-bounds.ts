import { ConvoyError } from '../errors.js'

/** Longest texts that a peer may send, in UTF-16 code units. */
export const MAX_TEXT = {
  incarnation: 64,
  host: 255,
  deviceName: 200,
  tensorflowVersion: 40,
  fingerprint: 128,
  reason: 2_000,
}

/**
 * Checks a text before it is kept.
 * @throws ConvoyError('protocol') when it is empty or longer than `max`
 */
export function checkText(text: string | undefined, max: number, field: string): string {
  if (text !== undefined && text.length > 0 && text.length <= max) return text
  throw new ConvoyError('protocol', `${field} has ${text?.length ?? 0} characters; 1 to ${max} are allowed.`)
}

/** The beginning of a text, copied: a slice of a string would keep the whole string in memory. */
export function shortened(text: string, max: number): string {
  return text.length <= max ? text : Buffer.from(text.slice(0, max)).toString()
}
