import { Command } from 'commander'
import { standardOutput } from '../../shared/terminal.js'
import type { AdminTarget } from '../admin-client.js'
import { callAdmin } from '../admin-client.js'

export function stopCommand(): Command {
  return new Command('stop')
    .argument('[run]', 'run directory (default: the newest running run)')
    .option('--admin <host:port>', "the coordinator's admin address")
    .option('--runs-dir <directory>', 'directory of the run directories', 'runs')
    .action(async (run: string | undefined, target: AdminTarget) => {
      await callAdmin('stop', target, run)
      standardOutput.print('The run ends after its current step, then evaluates and saves the weights.\n')
    })
}
