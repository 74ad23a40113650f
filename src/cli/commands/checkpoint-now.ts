import { Command } from 'commander'
import { ConvoyError } from '../../shared/errors.js'
import { printable } from '../../shared/log/printable.js'
import { isThere } from '../../shared/path-access.js'
import { standardOutput } from '../../shared/terminal.js'
import type { AdminTarget } from '../../coordinator/admin-client.js'
import { callAdmin } from '../../coordinator/admin-client.js'
import { patiently } from '../patiently.js'

const WAITING = 'Waiting until the step in work is done and the checkpoint is on disk. Ctrl-C ends this command alone.'

/** `convoy checkpoint` without a subcommand. @param others names of the subcommands */
export function nowCommand(others: readonly string[]): Command {
  return new Command('now')
    .description('make a checkpoint of a running run (the default)')
    .action(async (run: string | undefined, { json, ...target }: AdminTarget & { json?: true }) => {
      if (run !== undefined && !isThere(run))
        throw new ConvoyError(
          'usage',
          `${run}: there is no such run directory, and no such subcommand: ${others.join(', ')}.`,
        )
      const { step, directory } = await patiently(WAITING, callAdmin('checkpoint', target, run))
      standardOutput.print(
        json ? `${JSON.stringify({ step, directory })}\n` : `Checkpoint of step ${step}: ${printable(directory)}\n`,
      )
    })
}
