import { Command, Option } from 'commander'
import type { LauncherName } from '../../launch/launchers.js'
import { DEFAULT_LAUNCHER, describeLaunchers, LAUNCHER_NAMES, launcherOf } from '../../launch/launchers.js'
import type { OwnWorkers } from '../../launch/launcher.js'
import { addDetachFlags, detach, reportToStarter } from '../detach.js'
import { deviceOption } from '../flags/device-option.js'
import type { RunConfigFlags } from '../flags/run-config-flags.js'
import { addRunFlags, readRunFlags } from '../flags/run-flags.js'
import type { WorkerPlace } from '../run-training.js'

const ANY_PORT = '127.0.0.1:0'

export function trainCommand(): Command {
  const command = addRunFlags(new Command('train'), {
    listen: ANY_PORT,
    adminListen: ANY_PORT,
    metricsListen: ANY_PORT,
  })
  return addDetachFlags(command)
    .addOption(deviceOption())
    .option('--workers <number>', 'worker processes (default: one per GPU, or one per core)')
    .addOption(
      new Option(
        '--launcher <name>',
        `how workers are started (default: ${DEFAULT_LAUNCHER}): ${describeLaunchers()}`,
      ).choices(LAUNCHER_NAMES),
    )
    .option('--standalone', 'coordinator and one worker in a single process: --launcher standalone')
    .option('--no-restart', 'do not restart the coordinator when it dies; without --standalone it is restarted')
    .addOption(new Option('--supervised').hideHelp())
    .action(async (flags: RunConfigFlags, command: Command) => {
      const launcher = flags['standalone']
        ? 'standalone'
        : ((flags['launcher'] as LauncherName | undefined) ?? DEFAULT_LAUNCHER)
      const args = process.argv.slice(2)
      if (flags['detach']) {
        process.exitCode = await detach(args, String(flags['runsDir']), flags['json'] === true)
        return
      }
      const onAnnounced = flags['detached'] ? reportToStarter : () => undefined
      if (isToBeSupervised(flags, launcher)) {
        const { supervise } = await import('../supervise.js')
        // Workers of a coordinator that cannot be restarted end with this process.
        process.exit(await supervise(command, args, onAnnounced))
      }
      const supervised = flags['supervised']
        ? await (await import('../../launch/supervision/supervised.js')).Supervised.connect()
        : undefined
      const request = await readRunFlags(flags, command)
      const { workers: count, device, logLevel } = request.options
      launcherOf(launcher).prepare?.(device)
      // Loaded here: a wrong flag is reported in half the time.
      const { runTraining } = await import('../run-training.js')
      const start = async (place: WorkerPlace): Promise<OwnWorkers> => {
        onAnnounced(place.runDirectory)
        const options = { ...place, count, device, logLevel }
        return supervised ? supervised.launch(launcher, options) : launcherOf(launcher).launch(options)
      }
      await runTraining(request, start, supervised)
    })
}

/** Whether another process runs the coordinator, so that it can be restarted. Without checkpoints it would lose the run. */
function isToBeSupervised({ supervised, restart, checkpointEvery }: RunConfigFlags, launcher: LauncherName): boolean {
  return !supervised && restart !== false && checkpointEvery !== 'off' && !launcherOf(launcher).inCoordinator
}
