import type { EventEmitter } from 'node:events'
import type { CommanderError } from 'commander'
import { Command } from 'commander'
import { ConvoyError } from '../../shared/errors.js'

/** What is wrong with a command's flags, in the order in which commander found it. */
const found = new WeakMap<Command, string[]>()
/** Commands whose actions report these problems with their own. */
const reporters = new WeakSet<Command>()

/**
 * Lets commander go on after a problem of a flag, a value or an argument: all of them are thrown together, before the action of the
 * command or, where it says so with {@link reportsFlagProblems}, by it.
 */
export function gatherFlagProblems(command: Command): void {
  const problems: string[] = []
  let lacksValue = false
  let hasUnknown = false
  found.set(command, problems)

  const refuse = (message: string, { code = '' } = {}): void => {
    lacksValue = code === 'commander.optionMissingArgument'
    hasUnknown ||= code === 'commander.unknownOption'
    // It counts unknown flags as arguments.
    if (code === 'commander.excessArguments' && hasUnknown) return
    const [, what, suggestion] = /^(?:error: )?(.*?)(?:\n\((Did you mean [^\n]*)\))?$/s.exec(message)!
    const remedy = code === 'commander.unknownOption' ? `\`${pathOf(command)} --help\` lists all flags.` : undefined
    problems.push([what, suggestion ?? remedy].filter(Boolean).join('. '))
  }
  command.error = refuse as Command['error']

  // Commander sets an option's value by emitting an event, and throws out of it what it has told `error` of already.
  const emitter = command as unknown as EventEmitter
  const emit = emitter.emit.bind(emitter)
  emitter.emit = (event: string, ...values: unknown[]) => {
    try {
      if (!lacksValue) return emit(event, ...values)
      lacksValue = false
    } catch (error) {
      if (error instanceof ConvoyError && error.exitStatus === 2) problems.push(...error.lines)
      else if ((error as CommanderError).code !== 'commander.invalidArgument') throw error
    }
    return true
  }
  command.hook('preAction', () => {
    // It speaks of the first one only.
    if (hasUnknown) command.args.filter(isFlag).slice(1).forEach(unknownOptionOf(command))
    if (!reporters.has(command)) throwProblems(problems)
  })
}

/** For a command whose action throws what {@link flagProblems} finds, together with what it finds itself. */
export function reportsFlagProblems(command: Command): Command {
  reporters.add(command)
  return command
}

/** What commander found wrong with the flags that a command was given; one sentence each. */
export function flagProblems(command: Command): readonly string[] {
  return found.get(command) ?? []
}

/** @throws ConvoyError('usage') with all problems, unless there is none */
export function throwProblems(problems: readonly string[]): void {
  const different = [...new Set(problems)]
  if (different.length === 0) return
  throw new ConvoyError('usage', different.length === 1 ? different : [`${different.length} problems:`, ...different])
}

/** The message of what a check throws, as a list of problems; none when it passes. Errors other than a user's are thrown on. */
export async function problemsOf(check: () => unknown): Promise<string[]> {
  try {
    await check()
    return []
  } catch (error) {
    if (error instanceof ConvoyError && error.exitStatus === 2) return [error.lines.join(' ')]
    throw error
  }
}

/** The word among these that a misspelt one most resembles, by commander's measure; undefined: none does. */
export function similarWord(word: string, words: readonly string[]): string | undefined {
  const command = new Command().helpOption(false)
  for (const one of words) command.option(`--${one}`)
  let similar: string | undefined
  command.error = ((message: string) => {
    similar = /Did you mean (?:one of )?--([\w-]+)/.exec(message)?.[1]
  }) as Command['error']
  unknownOptionOf(command)(`--${word}`)
  return similar
}

/** What commander calls with a flag that it does not know; not declared. */
function unknownOptionOf(command: Command): (flag: string) => void {
  const { unknownOption } = command as unknown as { unknownOption: (flag: string) => void }
  return (flag) => {
    unknownOption.call(command, flag)
  }
}

function isFlag(argument: string): boolean {
  return argument.length > 1 && argument.startsWith('-') && argument !== '--'
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}
