import { setEnvironmentData } from 'node:worker_threads'
import { parseLogLevels } from '../../shared/log/log-levels.js'
import { Log } from '../../shared/log/log.js'
import { readableLine } from '../../shared/log/readable-line.js'
import { standardError } from '../../shared/terminal.js'
import { runWorker } from '../../worker/run-worker.js'
import type { ComputeSettings } from './compute-settings.js'
import { COMPUTE_SETTINGS } from './compute-settings.js'
import type { StepsReply, StepsRequest } from './worker-processes.js'
import { WorkerSteps } from './worker-steps.js'

/**
 * A worker that computes nothing: `worker-entry.js ADDRESS NAME memory|network COMPUTE_MS`.
 * Answers each {@link StepsRequest} of its parent process, and ends with it.
 */
const [address, name, path, waitMs] = process.argv.slice(2) as [string, string, string, string]
const steps = new WorkerSteps()
setEnvironmentData(COMPUTE_SETTINGS, {
  waitMs: Number(waitMs),
  steps: steps.memory,
} satisfies ComputeSettings as object as never)

/** A relay, or a link, may begin later. */
const PATIENCE_MS = 30_000

process.on('message', ({ first, count }: StepsRequest) => {
  process.send!({ isPrepared: steps.isPrepared, steps: steps.read(first, count) } satisfies StepsReply)
})
const orphaned = (): never => process.exit(1)
process.on('disconnect', orphaned)

await runWorker({
  ...{ address, name, device: 'cpu', sharedMemory: path === 'memory', patienceMs: PATIENCE_MS },
  log: new Log({
    levels: parseLogLevels('warn'),
    sinks: [(record) => standardError.printLine(readableLine(record))],
    now: Date.now,
  }),
  leaveSignal: new AbortController().signal,
  computeEntry: new URL('./compute-entry.js', import.meta.url),
})
process.off('disconnect', orphaned)
process.disconnect()
