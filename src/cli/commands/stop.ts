import { Command } from 'commander'
import { standardOutput } from '../../shared/terminal.js'
import type { AdminTarget } from '../admin-client.js'
import { callAdmin } from '../admin-client.js'

export function stopCommand(): Command {
  return new Command('stop')
    .argument('[run]', 'run directory (default: the newest run that is going on)')
    .option('--admin <host:port>', "the coordinator's admin address")
    .option('--runs-dir <directory>', 'where run directories lie', 'runs')
    .action(async (run: string | undefined, target: AdminTarget) => {
      await callAdmin('stop', target, run)
      standardOutput.print('The run ends after the step it is in; evaluation and saving follow.\n')
    })
}
