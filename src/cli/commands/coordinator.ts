import { Command } from 'commander'
import type { RunConfigFlags } from '../flags/run-config-flags.js'
import { addRunFlags, readRunFlags } from '../flags/run-flags.js'

export function coordinatorCommand(): Command {
  return addRunFlags(new Command('coordinator'), {
    listen: '127.0.0.1:7700',
    adminListen: '127.0.0.1:7701',
    metricsListen: '127.0.0.1:7702',
  }).action(async (flags: RunConfigFlags, command: Command) => {
    const request = await readRunFlags(flags, command)
    // Loaded here: a wrong flag is reported in half the time.
    const { runTraining } = await import('../run-training.js')
    await runTraining(request, () => undefined)
  })
}
