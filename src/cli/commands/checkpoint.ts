import { Command } from 'commander'
import { addAdminOptions } from '../flags/admin-options.js'
import { diffCommand } from './checkpoint-diff.js'
import { listCommand } from './checkpoint-list.js'
import { nowCommand } from './checkpoint-now.js'
import { pruneCommand } from './checkpoint-prune.js'
import { showCommand } from './checkpoint-show.js'
import { verifyCommand } from './checkpoint-verify.js'

export function checkpointCommand(): Command {
  const command = new Command('checkpoint')
  const children = [listCommand(), showCommand(), verifyCommand(), pruneCommand(), diffCommand()]
  const names = children.map((child) => child.name())
  // Flags of `convoy checkpoint` itself would be taken from its children.
  command.addCommand(addAdminOptions(nowCommand(names)), { isDefault: true })
  for (const child of children)
    command.addCommand(child.option('--runs-dir <directory>', 'directory of the run directories', 'runs'))
  for (const child of command.commands) child.option('--json', 'for machines')
  return command
}
