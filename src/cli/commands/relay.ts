import { Command } from 'commander'
import { addressProblems } from '../../coordinator/address-problems.js'
import { parseLogLevels } from '../../shared/log/log-levels.js'
import type { LogRecord } from '../../shared/log/log.js'
import { Log } from '../../shared/log/log.js'
import { readableLine } from '../../shared/log/readable-line.js'
import { parsePeerAddress } from '../../shared/protocol/addresses.js'
import { standardError } from '../../shared/terminal.js'
import { descriptorProblems } from '../flags/descriptor-problems.js'
import { flagProblems, problemsOf, reportsFlagProblems, throwProblems } from '../flags/flag-problems.js'
import { integer, seconds } from '../flags/flag-values.js'
import { logLevelOption } from '../flags/log-level-option.js'
import { workerName } from '../flags/worker-name-flag.js'
import { onStopSignals } from '../stop-signals.js'

interface RelayFlags {
  join: string
  listen: string
  insecure: boolean
  name?: string
  maxWorkers: number
  patience: number
  logLevel: string
}

export function relayCommand(): Command {
  return reportsFlagProblems(new Command('relay'))
    .requiredOption('--join <host:port>', 'the address for workers of the coordinator, or of another relay')
    .option(
      '--listen <host:port>',
      'address for the workers of this relay; port 0 takes any free one',
      '127.0.0.1:7710',
    )
    .option('--insecure', 'allow connections from other machines, without encryption', false)
    .option(
      '--name <name>',
      'name of this relay, unique among those that take part; its failures are remembered by name (default: relay, host name and process id)',
      workerName,
    )
    .option('--max-workers <number>', 'reject workers beyond this number', integer(1, 4096), 256)
    .option('--patience <seconds>', 'how long to keep trying to reach the coordinator', seconds, 120)
    .addOption(logLevelOption())
    .action(async (flags: RelayFlags, command: Command) => {
      const { join, listen, insecure, maxWorkers } = flags as Partial<RelayFlags>
      throwProblems([
        ...flagProblems(command),
        ...(join === undefined ? [] : await problemsOf(() => parsePeerAddress(join, '--join'))),
        ...addressProblems({ listen: listen!, insecure: insecure! }),
        ...descriptorProblems({
          maxWorkers: command.getOptionValueSource('maxWorkers') === 'cli' ? maxWorkers : undefined,
        }),
      ])
      await relay(flags)
    })
}

async function relay(flags: RelayFlags): Promise<void> {
  // Loaded here: a wrong flag is reported in half the time.
  const { LogRelay } = await import('../../worker/log-relay.js')
  const { runRelay } = await import('../../relay/relay.js')
  const leave = new AbortController()
  const lines = new LogRelay(Date.now)
  const show = (record: LogRecord): void => {
    standardError.printLine(readableLine(record))
  }
  const pass = (record: LogRecord): void => {
    const { worker, message } = record
    // The coordinator knows the relay alone.
    lines.write(worker === undefined ? record : { ...record, message: `${worker}: ${message}` })
  }
  const restore = onStopSignals(() => {
    standardError.printLine('Leaving after the current lease. Send the signal again to leave at once.')
    leave.abort()
  })
  try {
    const reason = await runRelay({
      ...{ address: flags.join, listen: flags.listen, maxWorkers: flags.maxWorkers, lines },
      ...(flags.name === undefined ? {} : { name: flags.name }),
      patienceMs: flags.patience * 1000,
      log: new Log({ levels: parseLogLevels(flags.logLevel), sinks: [show, pass], now: Date.now }),
      leaveSignal: leave.signal,
      onListening: (address) => {
        standardError.printLine(`Relay for ${flags.join}. Its workers: convoy worker --join ${address}`)
      },
    })
    standardError.printLine(`Done: ${reason}.`)
  } finally {
    restore()
  }
}
