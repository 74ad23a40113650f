import { Command } from 'commander'
import { diffCommand } from './checkpoint-diff.js'
import { listCommand } from './checkpoint-list.js'
import { pruneCommand } from './checkpoint-prune.js'
import { showCommand } from './checkpoint-show.js'
import { verifyCommand } from './checkpoint-verify.js'

export function checkpointCommand(): Command {
  const command = new Command('checkpoint')
  for (const child of [listCommand(), showCommand(), verifyCommand(), pruneCommand(), diffCommand()])
    command.addCommand(
      child
        .option('--runs-dir <directory>', 'directory of the run directories', 'runs')
        .option('--json', 'for machines'),
    )
  return command
}
