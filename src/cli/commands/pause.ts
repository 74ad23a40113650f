import { Command } from 'commander'
import { ConvoyError } from '../../shared/errors.js'
import { printable } from '../../shared/log/printable.js'
import type { PauseReply } from '../../shared/protocol/messages.js'
import { standardOutput } from '../../shared/terminal.js'
import type { AdminTarget } from '../../coordinator/admin-client.js'
import { callAdmin } from '../../coordinator/admin-client.js'
import { addAdminOptions } from '../flags/admin-options.js'
import { patiently } from '../patiently.js'

const WAITING = 'Waiting until the step in work is done. Ctrl-C ends this command; the run pauses all the same.'

export function pauseCommand(): Command {
  return addAdminOptions(new Command('pause'))
    .option('--json', 'for machines')
    .action(async (run: string | undefined, { json, ...target }: AdminTarget & { json?: true }) => {
      const reply = await patiently(WAITING, callAdmin('pause', target, run))
      const { step, wasPaused, checkpoint, checkpointFailure } = reply
      if (checkpointFailure !== '')
        throw new ConvoyError(
          'environment',
          `The run is paused after step ${step}, but its checkpoint cannot be written (${checkpointFailure}). Make room for it; \`convoy checkpoint\` tries again.`,
        )
      const facts = { step, wasPaused, checkpoint: checkpoint === '' ? null : checkpoint }
      standardOutput.print(json ? `${JSON.stringify(facts)}\n` : asText(reply))
    })
}

function asText({ step, wasPaused, checkpoint }: PauseReply): string {
  const paused = wasPaused ? 'The run was paused before' : 'The run is paused'
  const kept = checkpoint === '' ? 'It makes no checkpoints.' : `Its checkpoint is ${printable(checkpoint)}.`
  return `${paused}, after step ${step}. ${kept}\n`
}
