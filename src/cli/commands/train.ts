import { Command, Option } from 'commander'
import { DEFAULT_LAUNCHER, describeLaunchers, LAUNCHER_NAMES, launcherOf } from '../../launch/launchers.js'
import { deviceOption } from '../flags/device-option.js'
import type { RunConfigFlags } from '../flags/run-config-flags.js'
import { addRunFlags, readRunFlags } from '../flags/run-flags.js'

const ANY_PORT = '127.0.0.1:0'

export function trainCommand(): Command {
  return addRunFlags(new Command('train'), { listen: ANY_PORT, adminListen: ANY_PORT, metricsListen: ANY_PORT })
    .addOption(deviceOption())
    .option('--workers <number>', 'worker processes (default: one per GPU, or one per core)')
    .addOption(
      new Option(
        '--launcher <name>',
        `how workers are started (default: ${DEFAULT_LAUNCHER}): ${describeLaunchers()}`,
      ).choices(LAUNCHER_NAMES),
    )
    .option('--standalone', 'coordinator and one worker in a single process: --launcher standalone')
    .action(async (flags: RunConfigFlags, command: Command) => {
      const request = await readRunFlags(flags, command)
      const { standalone, workers: count, device, logLevel } = request.options
      const launcher = standalone ? 'standalone' : (request.options.launcher ?? DEFAULT_LAUNCHER)
      // Loaded here: a wrong flag is reported in half the time.
      const { runTraining } = await import('../run-training.js')
      await runTraining(request, (place) => launcherOf(launcher).launch({ ...place, count, device, logLevel }))
    })
}
