import { Command } from 'commander'
import type { DeviceChoice } from '../../tensorflow/runtime/device-choice.js'
import { registerCustomCode } from '../../model/own/custom-code.js'
import { parseLogLevels } from '../../shared/log/log-levels.js'
import type { LogSink } from '../../shared/log/log.js'
import { Log } from '../../shared/log/log.js'
import { readableLine } from '../../shared/log/readable-line.js'
import { parseAddress, parsePeerAddress } from '../../shared/protocol/addresses.js'
import { standardError } from '../../shared/terminal.js'
import { customOption } from '../flags/custom-option.js'
import { deviceOption } from '../flags/device-option.js'
import { flagProblems, problemsOf, reportsFlagProblems, throwProblems } from '../flags/flag-problems.js'
import { seconds } from '../flags/flag-values.js'
import { logLevelOption } from '../flags/log-level-option.js'
import { workerName } from '../flags/worker-name-flag.js'
import { onStopSignals } from '../stop-signals.js'

interface WorkerFlags {
  join: string
  name?: string
  patience: number
  device: DeviceChoice
  custom?: string
  sharedMemory: boolean
  metricsListen?: string
  logLevel: string
  supervised?: true
}

export function workerCommand(): Command {
  return reportsFlagProblems(new Command('worker'))
    .requiredOption('--join <host:port>', "the coordinator's address for workers")
    .option(
      '--name <name>',
      'name of this worker, unique among those that take part; its failures are remembered by name (default: host name and process id)',
      workerName,
    )
    .option('--patience <seconds>', 'how long to keep trying to reach the coordinator', seconds, 120)
    .addOption(deviceOption())
    .addOption(customOption())
    .option('--no-shared-memory', 'exchange vectors over the network even with a coordinator on this machine')
    .option('--metrics-listen <host:port>', "serve this worker's own /metrics, /livez and /readyz")
    .addOption(logLevelOption())
    .option('--supervised', 'exit when standard input ends, so that workers end with their parent process')
    .action(async (flags: WorkerFlags, command: Command) => {
      const { join, metricsListen } = flags as Partial<WorkerFlags>
      throwProblems([
        ...flagProblems(command),
        ...(join === undefined ? [] : await problemsOf(() => parsePeerAddress(join, '--join'))),
        ...(metricsListen === undefined ? [] : await problemsOf(() => parseAddress(metricsListen, '--metrics-listen'))),
      ])
      if (flags.custom !== undefined) await registerCustomCode(flags.custom)
      // Loaded here: a wrong flag is reported in half the time.
      const { LogRelay } = await import('../../worker/log-relay.js')
      const { runWorker } = await import('../../worker/run-worker.js')
      const leave = new AbortController()
      const relay = new LogRelay(Date.now)
      const writeLine: LogSink = (record) => standardError.printLine(readableLine(record))
      const restore = onStopSignals(() => {
        standardError.printLine('Leaving after the current lease. Send the signal again to leave at once.')
        leave.abort()
      })
      if (flags.supervised) {
        process.stdin.on('end', () => process.exit(1)).resume()
      }
      try {
        const reason = await runWorker({
          address: flags.join,
          ...(flags.name === undefined ? {} : { name: flags.name }),
          device: flags.device,
          sharedMemory: flags.sharedMemory,
          patienceMs: flags.patience * 1000,
          log: new Log({ levels: parseLogLevels(flags.logLevel), sinks: [writeLine, relay.write], now: Date.now }),
          relay,
          leaveSignal: leave.signal,
          ...(flags.metricsListen === undefined ? {} : { metricsListen: flags.metricsListen }),
        })
        standardError.printLine(`Done: ${reason}.`)
      } finally {
        restore()
        process.stdin.pause()
      }
    })
}
