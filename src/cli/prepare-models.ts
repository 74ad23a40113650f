import { RunModels } from '../exports/run-models.js'
import type { PrometheusMetrics } from '../reporting/sinks/prometheus-metrics.js'
import type { Logger } from '../shared/log/log.js'
import { version } from '../shared/version.js'
import type { RunOptions } from './flags/run-flags.js'
import type { OpenedRun } from './open-run.js'

/** Makes room for the models of a run, and reports when they are saved. @param signal ends the run @throws as RunModels.prepare */
export async function prepareModels(
  { runDirectory, identity, planned: { description } }: OpenedRun,
  { rescueDir, rescueWait }: RunOptions,
  { metrics, log, signal }: { readonly metrics: PrometheusMetrics; readonly log: Logger; readonly signal: AbortSignal },
): Promise<RunModels> {
  return RunModels.prepare({
    ...{ runDirectory, run: identity.run, description, version: version(), log, signal },
    rescueDirectory: rescueDir,
    waitMs: rescueWait * 1000,
    onSaved: (bytes, seconds) => {
      metrics.saved(Date.now() / 1000, bytes, seconds)
    },
    onFailed: () => {
      metrics.saveFailed()
    },
  })
}
