import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { ConvoyError } from '../../shared/errors.js'

/** Parses a flag's whole number. */
export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`It takes a whole number from ${least} to ${most}.`)
    }
    return value
  }
}

/** Parses a flag's duration in seconds, 0 to a day. */
export function seconds(text: string): number {
  const value = Number(text)
  if (!(value >= 0 && value <= 86_400)) throw new InvalidArgumentError('It takes seconds, from 0 to 86400.')
  return value
}

/** A flag that takes a list of known words, separated by commas. */
export function listOption(
  flags: string,
  description: string,
  words: readonly string[],
  preset: readonly string[],
): Option {
  const parse = (text: string): string[] =>
    text.split(',').map((word) => {
      if (words.includes(word.trim())) return word.trim()
      throw new InvalidArgumentError(`It takes ${words.join(', ')}, separated by commas.`)
    })
  return new Option(flags, description).argParser(parse).default(preset, preset.join(','))
}

/** Checks before long work that its output file can be written. @throws ConvoyError('usage') naming the flag */
export function checkWritable(flag: string, file: string): void {
  try {
    const found = statSync(file, { throwIfNoEntry: false })
    if (found?.isDirectory()) throw new Error('it is a directory')
    accessSync(found ? file : path.dirname(file), constants.W_OK)
  } catch (error) {
    throw new ConvoyError('usage', `${flag} ${file}: ${(error as Error).message}. Name a file that can be written.`)
  }
}
