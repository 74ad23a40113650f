import type { ParseArgsConfig } from 'node:util'
import { parseArgs } from 'node:util'

/**
 * The flags of a command for developers, such as `npm run chaos`. Exits with status 2 for an unknown flag, and prints the usage
 * for `--help`.
 */
export function readFlags<const Options extends NonNullable<ParseArgsConfig['options']>>(
  usage: string,
  options: Options,
): ReturnType<typeof parseArgs<{ options: Options }>>['values'] {
  return readCommand(usage, options, false).values
}

/** Like {@link readFlags}, for a command that takes words as well. */
export function readFlagsAndWords<const Options extends NonNullable<ParseArgsConfig['options']>>(
  usage: string,
  options: Options,
): { values: ReturnType<typeof readFlags<Options>>; words: readonly string[] } {
  const { values, positionals } = readCommand(usage, options, true)
  return { values, words: positionals }
}

function readCommand<const Options extends NonNullable<ParseArgsConfig['options']>>(
  usage: string,
  options: Options,
  allowPositionals: boolean,
): ReturnType<typeof parseArgs<{ options: Options; allowPositionals: boolean }>> {
  try {
    if (!process.argv.includes('--help')) return parseArgs({ options, allowPositionals })
  } catch (error) {
    exitUsage((error as Error).message)
  }
  process.stdout.write(`${usage}\n`)
  process.exit(0)
}

/** The number of a flag. Exits with status 2 when it is invalid. */
export function numberFlag(flag: string, text: string, least: number, most: number, isWhole = false): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value
  exitUsage(`${flag} ${text}: give a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}`)
}

/** Prints a problem with the flags and exits with status 2. */
export function exitUsage(text: string): never {
  process.stderr.write(`✖ ${text}\n`)
  process.exit(2)
}
