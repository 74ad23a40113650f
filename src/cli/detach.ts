import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { Option } from 'commander'
import { readAnnouncement } from '../coordinator/run-announcement.js'
import { ConvoyError } from '../shared/errors.js'
import { makeDirectory } from '../shared/make-directory.js'
import { printable } from '../shared/log/printable.js'
import { packageRoot } from '../shared/package-root.js'
import { shellWord } from '../shared/shell-word.js'
import { standardError, standardOutput } from '../shared/terminal.js'

/** What the run prints, in its run directory. */
const OUTPUT_FILE = 'output.txt'

/** Adds `--detach`, and `--detached` for the process that it starts: that one reports the run directory once its coordinator listens. */
export function addDetachFlags(command: Command): Command {
  return command
    .option('--detach', 'return once the coordinator listens; the run goes on when the terminal is closed')
    .addOption(new Option('--detached').hideHelp())
}

/**
 * Starts the same command in a session of its own, which a closed terminal does not end. Returns when its coordinator listens, or has failed.
 * @param args of `convoy`, with `--detach`
 * @param runsDirectory where the run directory will be
 * @param json prints the addresses as JSON
 * @returns the exit status
 * @throws ConvoyError('usage') when its output cannot be written
 */
export async function detach(args: readonly string[], runsDirectory: string, json: boolean): Promise<number> {
  const output = path.join(runsDirectory, `.detached-${randomUUID()}.txt`)
  const child = await startDetached(detachedArgs(args), output)
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal)
  process.on('SIGINT', passOn).on('SIGTERM', passOn)
  const outcome = await new Promise<{ runDirectory: string } | { status: number | null }>((resolve, reject) => {
    child.on('message', (message) => {
      // A failure is in the output.
      if (typeof message === 'string') resolve({ runDirectory: message })
    })
    child.once('exit', (status) => {
      resolve({ status })
    })
    child.once('error', reject)
  })
  if (!('runDirectory' in outcome)) {
    standardError.print(readFileSync(output, 'utf8'))
    rmSync(output)
    return outcome.status ?? 1
  }
  child.unref()
  const { runDirectory } = outcome
  const kept = path.join(runDirectory, OUTPUT_FILE)
  renameSync(output, kept)
  printRun(runDirectory, kept, json)
  return 0
}

/** Reports the run directory to the process of `--detach`, which ends then. */
export function reportToStarter(runDirectory: string): void {
  if (!process.connected) return
  process.send!(runDirectory)
  process.disconnect()
}

/** `--detached` is in front: the last flag may lack its value. */
function detachedArgs([name, ...flags]: readonly string[]): string[] {
  return [name!, '--detached', ...flags.filter((argument) => argument !== '--detach')]
}

/** @param output file for both of its outputs */
async function startDetached(args: readonly string[], output: string): Promise<ChildProcess> {
  const file = await openOutput(output)
  try {
    return spawn(process.execPath, [...process.execArgv, path.join(packageRoot, 'bin', 'convoy.mjs'), ...args], {
      detached: true,
      stdio: ['ignore', file, file, 'ipc'],
    })
  } finally {
    closeSync(file)
  }
}

/** @throws ConvoyError('usage') */
async function openOutput(file: string): Promise<number> {
  const directory = path.dirname(file)
  try {
    await makeDirectory(directory)
    return openSync(file, 'ax')
  } catch (error) {
    throw new ConvoyError(
      'usage',
      `--runs-dir ${directory}: ${(error as Error).message.replace(/\.$/, '')}. Choose a writable directory.`,
      { cause: error },
    )
  }
}

function printRun(runDirectory: string, output: string, json: boolean): void {
  const announcement = readAnnouncement(runDirectory)!
  if (json) {
    standardOutput.print(`${JSON.stringify({ ...announcement, output: path.resolve(output) })}\n`)
    return
  }
  const page = new URL('/', announcement.metrics).href
  const run = printable(runDirectory)
  standardOutput.print(
    `The run goes on in ${run}; watch it at ${page}. What it prints is in ${printable(output)}.\nTo stop it: npx convoy stop ${shellWord(run)}\n`,
  )
}
