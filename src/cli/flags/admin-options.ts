import type { Command } from 'commander'

/** Argument and flags that name a running run; see AdminTarget. */
export function addAdminOptions(command: Command): Command {
  return command
    .argument('[run]', 'run directory (default: the newest running run)')
    .option('--admin <host:port>', "the coordinator's admin address")
    .option('--runs-dir <directory>', 'directory of the run directories', 'runs')
}
