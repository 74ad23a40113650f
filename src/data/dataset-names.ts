import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'
import { printable } from '../shared/log/printable.js'

/** The data set that ships with Convoy. */
export const EMBEDDED_NAME = 'cifar10'
/** What `convoy data fetch cifar10` stores. */
export const OFFICIAL_NAME = 'cifar10-official'

/** UTF-8; no directory's name is longer, so every base name fits. */
const MAX_NAME_BYTES = 255
/** Control characters and invisible ones. Joiners are allowed: some scripts need them. */
const INVISIBLE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
/** A fingerprint, or the beginning of one, for `--data`. */
const FINGERPRINT = /^[0-9a-f]{8,64}$/i
/** Prefix of a base name that is no valid name by itself. */
const PREFIX = 'data-'

/** Whether two names are equal up to Unicode normalisation: composed and decomposed accents look alike. */
export function sameName(one: string, other: string): boolean {
  return one.normalize('NFC') === other.normalize('NFC')
}

/** Whether `--data` takes the word for a path, never for a name. */
export function isPath(source: string): boolean {
  return source.includes('/') || source === '.' || source === '..'
}

export function isFingerprint(source: string): boolean {
  return FINGERPRINT.test(source)
}

/**
 * Checks a name that the user gives to a data set.
 * @returns the name with composed accents
 * @throws ConvoyError('usage') with the violated rule
 */
export function checkDatasetName(name: string): string {
  const composed = name.normalize('NFC')
  const problem = problemOf(composed)
  if (problem === undefined) return composed
  throw new ConvoyError('usage', `--name ${JSON.stringify(printable(name.slice(0, 60)))}: ${problem}.`)
}

/** The default name of a data set: the base name of its path, changed if it is no valid name. */
export function deriveDatasetName(source: string): string {
  const base = path.basename(path.resolve(source)).replace(/\.(tar|tgz|tar\.gz)$/i, '')
  const visible = base.normalize('NFC').replace(INVISIBLE, '_').trim()
  if (problemOf(visible) === undefined) return visible
  return shorten(`${PREFIX}${visible}`).trim()
}

function problemOf(name: string): string | undefined {
  const bytes = Buffer.byteLength(name)
  if (name.trim() === '') return 'a name has at least one visible character'
  if (bytes > MAX_NAME_BYTES) return `a name has at most ${MAX_NAME_BYTES} bytes, and this one has ${bytes}`
  if (name !== name.trim()) return 'a name neither begins nor ends with a space'
  if (name.search(INVISIBLE) !== -1) return 'a name has no control characters or other invisible ones'
  if (isPath(name)) return 'it would be taken for a path; use a name without slashes'
  if (name.startsWith('-')) return 'it would be taken for a flag; begin with another character'
  if (isFingerprint(name)) return 'it would be taken for a fingerprint; use a name that is no hexadecimal number'
  if ([EMBEDDED_NAME, OFFICIAL_NAME].includes(name.toLowerCase()))
    return `that is the name of ${name.toLowerCase() === EMBEDDED_NAME ? 'the data set that ships with Convoy' : 'what `convoy data fetch cifar10` stores'}; choose another`
  return undefined
}

/** Cuts between characters. */
function shorten(name: string): string {
  let short = ''
  for (const character of name) {
    if (Buffer.byteLength(short) + Buffer.byteLength(character) > MAX_NAME_BYTES) break
    short += character
  }
  return short
}
