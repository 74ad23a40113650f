import { Command } from 'commander'
import { standardOutput } from '../../shared/terminal.js'
import type { AdminTarget } from '../../coordinator/admin-client.js'
import { callAdmin } from '../../coordinator/admin-client.js'
import { addAdminOptions } from '../flags/admin-options.js'

export function continueCommand(): Command {
  return addAdminOptions(new Command('continue'))
    .option('--json', 'for machines')
    .action(async (run: string | undefined, { json, ...target }: AdminTarget & { json?: true }) => {
      const { wasPaused } = await callAdmin('continue', target, run)
      const text = wasPaused ? 'The run goes on.' : 'The run is not paused.'
      standardOutput.print(json ? `${JSON.stringify({ wasPaused })}\n` : `${text}\n`)
    })
}
