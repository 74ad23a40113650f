import { runRelay } from '../../relay/relay.js'
import { parseLogLevels } from '../../shared/log/log-levels.js'
import { Log } from '../../shared/log/log.js'
import { readableLine } from '../../shared/log/readable-line.js'
import { standardError } from '../../shared/terminal.js'
import { LogRelay } from '../../worker/log-relay.js'

/** A relay: `relay-entry.js ADDRESS NAME MAX_WORKERS`. Tells its parent process where workers join, and ends with it. */
const [address, name, maxWorkers] = process.argv.slice(2) as [string, string, string]
const PATIENCE_MS = 30_000
const orphaned = (): never => process.exit(1)
process.on('disconnect', orphaned)

await runRelay({
  ...{ address, name, listen: '127.0.0.1:0', maxWorkers: Number(maxWorkers), patienceMs: PATIENCE_MS },
  log: new Log({
    levels: parseLogLevels('warn'),
    sinks: [(record) => standardError.printLine(readableLine(record))],
    now: Date.now,
  }),
  lines: new LogRelay(Date.now),
  leaveSignal: new AbortController().signal,
  onListening: (own) => process.send!(own),
})
process.off('disconnect', orphaned)
process.disconnect()
