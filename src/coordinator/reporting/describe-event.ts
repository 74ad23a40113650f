import { formatDuration, formatShare } from '../../shared/units.js'
import type { RunEvent } from '../run-events.js'

const AUDIT_OUTCOMES = {
  mismatch: 'An audit found a worker that computed wrongly; its result was not used.',
  unverified: 'An audit was not finished: no other worker could compute the same.',
  disputed: 'Two workers computed different results; the run waits for a third one that tells which is right.',
}

function shards({ shards: count }: { readonly shards: number }): string {
  return `${count} ${count === 1 ? 'shard' : 'shards'}`
}

/** One line for people; undefined for what a progress display shows by itself. */
export function describeEvent(event: RunEvent): string | undefined {
  switch (event.kind) {
    case 'started': {
      const { config, dataset, splitSizes, totalSteps, parameterCount } = event
      return (
        `${config.network.name} (${parameterCount.toLocaleString('en')} parameters) on ${dataset.name}: ` +
        `${splitSizes.train} train, ${splitSizes.validation} validation, ${splitSizes.test} test images; ` +
        `${totalSteps} steps of ${config.batchSize} in shards of ${config.shardSize}, seed ${config.seed}`
      )
    }
    case 'waiting':
      return 'No worker can compute; the run waits for one.'
    case 'worker-joined':
      return `Worker ${event.worker.id} (${event.worker.name}, ${event.worker.device.name}) joined; ${event.workers} now.`
    case 'worker-left':
      return `Worker ${event.worker.id} (${event.worker.name}) left: ${event.reason}; ${event.workers} now.`
    case 'reissued':
      return `${shards(event)} of worker ${event.workerId} ${event.shards === 1 ? 'goes' : 'go'} to others: ${event.reason}.`
    case 'refused':
      return `A result of worker ${event.worker.id} was refused: ${event.reason}.`
    case 'evaluated': {
      const { split, loss, accuracy, durationMs, step } = event.result
      const best = event.best && split === 'validation' ? ', best so far' : ''
      const measured = split === 'test' ? `test of the best weights, step ${step}` : `${split} after step ${step}`
      return `${measured} (epoch ${event.epoch.toFixed(2)}): accuracy ${formatShare(accuracy)}, loss ${loss.toFixed(4)} (${formatDuration(durationMs / 1000)}${best})`
    }
    case 'rescued':
      return `Worker ${event.workerId} computes ${shards(event)} that worker ${event.lateId} is late with.`
    case 'quarantined': {
      const howLong = event.seconds === null ? 'for the rest of the run' : `for ${formatDuration(event.seconds)}`
      return `Worker ${event.name} gets no work ${howLong}: ${event.reason}.`
    }
    case 'audited':
      return event.outcome === 'agreed' ? undefined : AUDIT_OUTCOMES[event.outcome]
    case 'step':
    case 'evaluating':
    case 'finished':
      return undefined
  }
}
