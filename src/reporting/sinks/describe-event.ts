import { isImages } from '../../data/dataset.js'
import { describeQuality } from '../../training/describe-quality.js'
import { isExpectedRejection } from '../../shared/rejection.js'
import { counted, formatDuration } from '../../shared/units.js'
import type { RunEvent, RunResult } from '../../training/run-events.js'
import { LEFT_ON_REQUEST } from '../../training/run-events.js'
import { networkName } from '../../model/config/run-config.js'

const AUDIT_OUTCOMES = {
  mismatch: 'An audit found a worker that computed wrongly; its result was not used.',
  unverified: 'An audit was not finished: no other worker could compute the same.',
  disputed: 'Two workers computed different results; the run waits for a third worker, whose result decides.',
}

function remaining(workers: number): string {
  return workers === 0 ? 'no worker remains' : `${counted(workers, 'worker')} ${workers === 1 ? 'remains' : 'remain'}`
}

/** One line for people; undefined for what a progress display shows by itself. */
export function describeEvent(event: RunEvent): string | undefined {
  switch (event.kind) {
    case 'started': {
      const { config, dataset, splitSizes, totalSteps, parameterCount } = event
      return (
        `${networkName(config)} (${parameterCount.toLocaleString('en')} parameters) on ${dataset.name}: ` +
        `${splitSizes.train} train, ${splitSizes.validation} validation, ${splitSizes.test} test ${isImages(dataset) ? 'images' : 'samples'}; ` +
        `${counted(totalSteps, 'step')} of ${config.batchSize} in shards of ${config.shardSize}, seed ${config.seed}`
      )
    }
    case 'resumed': {
      const { step, checkpointStep } = event
      const replayed = step - checkpointStep
      const journal = replayed === 0 ? '' : `, and ${counted(replayed, 'step')} of the journal`
      return `The run goes on after step ${step}: from the checkpoint of step ${checkpointStep}${journal}.`
    }
    case 'waiting':
      return event.starting === undefined
        ? 'No worker can compute; the run waits for one.'
        : `Waiting for ${counted(event.starting, 'worker')} to start.`
    case 'paused':
      return `The run is paused after step ${event.step}; \`convoy continue\` goes on.`
    case 'continued':
      return `The pause after step ${event.step} is over. It took ${formatDuration(event.seconds)}.`
    case 'worker-joined':
      return `Worker ${event.worker.id} (${event.worker.name}, ${event.worker.device.name}) joined; ${counted(event.workers, 'worker')} now.`
    case 'worker-left':
      return `Worker ${event.worker.id} (${event.worker.name}) left${event.reason === LEFT_ON_REQUEST ? ' ' : ': '}${event.reason}; ${remaining(event.workers)}.`
    case 'reissued':
      return `${counted(event.shards, 'shard')} of worker ${event.workerId} ${event.shards === 1 ? 'goes' : 'go'} to others: ${event.reason}.`
    case 'refused':
      return isExpectedRejection(event.code)
        ? `Discarded a result of worker ${event.worker.id} (${event.reason}; expected).`
        : `A result of worker ${event.worker.id} was rejected: ${event.reason}.`
    case 'evaluated': {
      const { split, durationMs, step } = event.result
      const best = event.best && split === 'validation' ? ', best so far' : ''
      const plateau = event.reducesRate ? '; plateau: the learning rate is reduced from here on' : ''
      const measured = split === 'test' ? `test of the best weights, step ${step}` : `${split} after step ${step}`
      return `${measured} (epoch ${event.epoch.toFixed(2)}): ${describeQuality(event.result)} (${formatDuration(durationMs / 1000)}${best})${plateau}`
    }
    case 'rescued':
      return `Worker ${event.workerId} recomputes ${counted(event.shards, 'late shard')} of worker ${event.lateId}.`
    case 'quarantined': {
      const howLong = event.seconds === null ? 'for the rest of the run' : `for ${formatDuration(event.seconds)}`
      return `Worker ${event.name} gets no work ${howLong}: ${event.reason}.`
    }
    case 'audited':
      return event.outcome === 'agreed' ? undefined : AUDIT_OUTCOMES[event.outcome]
    case 'step':
    case 'evaluating':
      return undefined
    case 'finished':
      return describeEarlyEnd(event.result)
  }
}

/** @returns undefined when the run did not stop early */
function describeEarlyEnd({ stoppedEarly, stoppedBy, steps, config, bestStep }: RunResult): string | undefined {
  if (stoppedBy === 'callback') return `Stopped early by a callback of ${config.custom!.name}, after step ${steps}.`
  return stoppedEarly
    ? `Stopped early: ${counted(config.earlyStopping!, 'epoch')} without a better validation than that of step ${bestStep}.`
    : undefined
}
