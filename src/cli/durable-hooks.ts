import type { PlannedRun } from '../coordinator/plan-run.js'
import type { SavingHooks } from '../coordinator/steering.js'
import type { DurabilityObserver } from '../durability/durable-run-options.js'
import { DurableRun } from '../durability/durable-run.js'
import type { JournalMode } from '../durability/journal.js'
import { defaultJournalMode } from '../durability/journal.js'
import type { RunModels } from '../exports/run-models.js'
import { gradientLength } from '../model/parameter-layout.js'
import type { RunProgress } from '../reporting/run-progress.js'
import type { PrometheusMetrics } from '../reporting/sinks/prometheus-metrics.js'
import type { Logger } from '../shared/log/log.js'
import { formatBytes } from '../shared/units.js'
import { version } from '../shared/version.js'
import type { TrainingState } from '../training/training-state.js'
import type { OpenedRun } from './open-run.js'
import type { RunOptions } from './flags/run-flags.js'

/** Where checkpoints and journal are reported. */
interface DurabilityReports {
  readonly progress: RunProgress
  readonly metrics: PrometheusMetrics
  readonly log: Logger
  /** Called when a checkpoint or the journal cannot be written. */
  readonly onFault: () => void
  /** See DurableRunOptions.onRecorded. */
  readonly onRecorded: () => Promise<void>
}

/** Opens what keeps a run on disk, and reports what becomes of it. */
export function openDurableRun(
  run: OpenedRun,
  { checkpointEvery: every, journal: mode, keepCheckpoints: keep }: RunOptions,
  deviceFingerprint: () => string | undefined,
  reports: DurabilityReports,
): DurableRun {
  const { runDirectory, identity, planned, ancestor, restored } = run
  const { progress, metrics } = reports
  const journal = mode ?? defaultJournal(planned, reports.log)
  progress.journal = journal === 'off' || every.kind === 'off' ? 'off' : 'on'
  if (every.kind === 'time') metrics.checkpointsEvery(every.ms / 1000)
  if (restored) {
    const { position, createdAt } = restored.checkpoint.manifest
    for (const report of [progress, metrics]) report.checkpointed(position.step, Date.parse(createdAt) / 1000)
  }
  return new DurableRun({
    ...{ every, journal, keep, runDirectory, ancestor, version: version(), description: planned.description },
    // A run keeps the name that it began with, wherever its directory is now.
    run: {
      directory: restored?.checkpoint.manifest.run.directory ?? identity.run,
      name: identity.name,
      recipe: identity.recipe,
    },
    trainSamples: planned.split.train.length,
    deviceFingerprint: () => deviceFingerprint() ?? null,
    now: () => performance.now(),
    onRecorded: reports.onRecorded,
    observer: durabilityObserver(reports),
  })
}

function defaultJournal({ description }: PlannedRun, log: Logger): JournalMode {
  const stepBytes = 4 * gradientLength(description.model.layout)
  const mode = defaultJournalMode(stepBytes)
  if (mode === 'off')
    log.info(
      `No step journal: a step would add ${formatBytes(stepBytes)} to it. If the coordinator dies, the steps since the newest checkpoint are computed again; --journal on prevents that.`,
    )
  return mode
}

/** A fault is logged once, until it is over. */
function durabilityObserver({ progress, metrics, log, onFault }: DurabilityReports): DurabilityObserver {
  const failing = { checkpoint: false, journal: false, prune: false }
  return {
    onCheckpoint: (step, bytes, seconds) => {
      if (failing.checkpoint) log.info(`Checkpoints can be written again: step ${step} has one.`)
      failing.checkpoint = false
      for (const report of [progress, metrics]) report.checkpointed(step, Date.now() / 1000)
      metrics.checkpointWritten(bytes, seconds)
    },
    onCheckpointFailed: (step, { message }) => {
      metrics.checkpointFailed()
      onFault()
      if (failing.checkpoint) return
      failing.checkpoint = true
      log.warn(
        `The checkpoint of step ${step} cannot be written (${message}). The run goes on; the last good one stays.`,
      )
    },
    onPruneFailed: ({ message }) => {
      if (failing.prune) return
      failing.prune = true
      log.warn(
        `What is no longer needed of checkpoints and journal cannot be removed (${message}). The run goes on; remove it with \`convoy checkpoint prune\` when the run is over.`,
      )
    },
    onJournal: (bytes) => {
      if (failing.journal) log.info('The step journal can be written again.')
      failing.journal = false
      progress.journal = 'on'
      metrics.journaled(bytes)
    },
    onJournalFailed: ({ message }) => {
      progress.journal = 'failed'
      metrics.journalFailed()
      onFault()
      if (failing.journal) return
      failing.journal = true
      log.warn(
        `The step journal cannot be written (${message}). The run goes on; until the next checkpoint, a coordinator that dies loses its steps.`,
      )
    },
  }
}

/** What the trainer, and those who steer it, call to keep the run on disk. */
export function durableHooks(
  durable: DurableRun,
  models: RunModels,
  { restored, hasChanged }: OpenedRun,
  { saveModels }: Pick<RunOptions, 'saveModels'>,
): SavingHooks & { readonly onBegin: (state: TrainingState) => Promise<void> } {
  return {
    ...(durable.isOn && { checkpoints: durable }),
    onBegin: async (state) => {
      if (restored === undefined) await durable.begin(state)
      else await durable.goOn(restored, hasChanged)
      const { best, last } = state
      if (best && last) await models.keep({ best, last })
    },
    ...(durable.hasJournal && { onReduced: durable.onReduced }),
    onValidated: async (snapshot, isBest, isInState) => {
      const weights = { last: snapshot, ...(isBest && { best: snapshot }) }
      if (saveModels === 'end') models.add(weights)
      else await models.keep(weights)
      if (isInState) await durable.keepValidation(snapshot)
    },
    onStepDone: durable.onStepDone,
  }
}
