import type { EventEmitter } from 'node:events'
import type { CommanderError } from 'commander'
import { Command } from 'commander'
import { ConvoyError } from '../../shared/errors.js'

/** Problems of a command's flags, in the order in which commander found them. */
const found = new WeakMap<Command, string[]>()
/** Commands whose actions report these problems with their own. */
const reporters = new WeakSet<Command>()

/**
 * Lets commander continue after a problem of a flag, a value or an argument. All problems are thrown together: before the action of the
 * command, or by the action if the command was passed to {@link reportsFlagProblems}.
 */
export function gatherFlagProblems(command: Command): void {
  const problems: string[] = []
  let lacksValue = false
  let hasUnknown = false
  found.set(command, problems)

  const addProblem = (message: string, { code = '' } = {}): void => {
    lacksValue = code === 'commander.optionMissingArgument'
    hasUnknown ||= code === 'commander.unknownOption'
    // Commander counts unknown flags as arguments.
    if (code === 'commander.excessArguments' && hasUnknown) return
    const [, what, suggestion] = /^(?:error: )?(.*?)(?:\n\((Did you mean [^\n]*)\))?$/s.exec(message)!
    const remedy = code === 'commander.unknownOption' ? `\`${pathOf(command)} --help\` lists all flags.` : undefined
    problems.push([what, suggestion ?? remedy].filter(Boolean).join('. '))
  }
  command.error = addProblem as Command['error']

  // Commander sets an option's value by emitting an event. Listeners throw errors that `command.error` has already received.
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
    // Commander reports only the first unknown flag.
    if (hasUnknown) command.args.filter(isFlag).slice(1).forEach(unknownOptionOf(command))
    if (!reporters.has(command)) throwProblems(problems)
  })
}

/** For a command whose action throws {@link flagProblems} together with the problems that it finds itself. */
export function reportsFlagProblems(command: Command): Command {
  reporters.add(command)
  return command
}

/** The problems that commander found in a command's flags; one sentence each. */
export function flagProblems(command: Command): readonly string[] {
  return found.get(command) ?? []
}

/** @throws ConvoyError('usage') with all problems, unless there is none */
export function throwProblems(problems: readonly string[]): void {
  const different = [...new Set(problems)]
  if (different.length === 0) return
  throw new ConvoyError('usage', different.length === 1 ? different : [`${different.length} problems:`, ...different])
}

/** Runs a check. @returns its usage error as a list of one problem; empty when it passes @throws other errors unchanged */
export async function problemsOf(check: () => unknown): Promise<string[]> {
  try {
    await check()
    return []
  } catch (error) {
    if (error instanceof ConvoyError && error.exitStatus === 2) return [error.lines.join(' ')]
    throw error
  }
}

/** @returns the word that a misspelt one most resembles, by commander's measure; undefined when none does */
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

/** Commander's method for an unknown flag, which its types do not declare. */
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
