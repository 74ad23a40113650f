import { InvalidArgumentError } from 'commander'

/** Parses a flag's whole number. */
export function integer(flag: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`${flag} takes a whole number from ${least} to ${most}.`)
    }
    return value
  }
}

/** Parses a flag's duration in seconds, 0 to a day. */
export function seconds(flag: string): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!(value >= 0 && value <= 86_400)) throw new InvalidArgumentError(`${flag} takes seconds, from 0 to 86400.`)
    return value
  }
}

/** Parses a flag's list of known words, separated by commas. */
export function listOf<Word extends string>(flag: string, words: readonly Word[]): (text: string) => Word[] {
  return (text) =>
    text.split(',').map((word) => {
      const known = words.find((candidate) => candidate === word.trim())
      if (known === undefined) throw new InvalidArgumentError(`${flag} takes ${words.join(', ')}, separated by commas.`)
      return known
    })
}
