import { Command } from 'commander'
import { addDetachFlags, detach, reportToStarter } from '../detach.js'
import type { RunConfigFlags } from '../flags/run-config-flags.js'
import { addRunFlags, readRunFlags } from '../flags/run-flags.js'

export function coordinatorCommand(): Command {
  const command = addRunFlags(new Command('coordinator'), {
    listen: '127.0.0.1:7700',
    adminListen: '127.0.0.1:7701',
    metricsListen: '127.0.0.1:7702',
  })
  return addDetachFlags(command).action(async (flags: RunConfigFlags, command: Command) => {
    if (flags['detach']) {
      process.exitCode = await detach(process.argv.slice(2), String(flags['runsDir']), flags['json'] === true)
      return
    }
    const request = await readRunFlags(flags, command)
    // Loaded here: a wrong flag is reported in half the time.
    const { runTraining } = await import('../run-training.js')
    await runTraining(request, ({ runDirectory }) => {
      if (flags['detached']) reportToStarter(runDirectory)
      return undefined
    })
  })
}
