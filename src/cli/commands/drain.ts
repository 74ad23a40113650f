import { Command } from 'commander'
import { printable } from '../../shared/log/printable.js'
import { standardOutput } from '../../shared/terminal.js'
import { counted } from '../../shared/units.js'
import type { AdminTarget } from '../../coordinator/admin-client.js'
import { callAdmin } from '../../coordinator/admin-client.js'
import { addAdminOptions } from '../flags/admin-options.js'
import { patiently } from '../patiently.js'

const WAITING =
  'Waiting until the worker has finished its lease. Ctrl-C ends this command; the worker leaves all the same.'

export function drainCommand(): Command {
  return addAdminOptions(
    new Command('drain').argument('<worker>', 'its name or its number, as `convoy status` shows them'),
  )
    .option('--json', 'for machines')
    .action(async (worker: string, run: string | undefined, { json, ...target }: AdminTarget & { json?: true }) => {
      const reply = await patiently(WAITING, callAdmin('drain', target, run, { worker }))
      const { worker: id, name, workers } = reply
      const left =
        workers === 0 ? 'no worker remains' : `${counted(workers, 'worker')} ${workers === 1 ? 'remains' : 'remain'}`
      standardOutput.print(
        json
          ? `${JSON.stringify({ worker: id, name, workers })}\n`
          : `Worker ${id} (${printable(name)}) left; ${left}.\n`,
      )
    })
}
