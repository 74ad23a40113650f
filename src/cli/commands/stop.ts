import { Command } from 'commander'
import { standardOutput } from '../../shared/terminal.js'
import type { AdminTarget } from '../../coordinator/admin-client.js'
import { callAdmin } from '../../coordinator/admin-client.js'
import { addAdminOptions } from '../flags/admin-options.js'

export function stopCommand(): Command {
  return addAdminOptions(new Command('stop')).action(async (run: string | undefined, target: AdminTarget) => {
    await callAdmin('stop', target, run)
    standardOutput.print('The run ends after its current step, then evaluates and saves the weights.\n')
  })
}
