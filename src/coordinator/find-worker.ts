import { ConvoyError } from '../shared/errors.js'
import type { WorkerIdentity } from '../training/run-events.js'

const MAX_LISTED = 20

/**
 * The worker that an operator means.
 * @param named its name or its number
 * @throws ConvoyError('usage') when there is none, or two: the name of one is the number of another
 */
export function findWorker<Worker extends WorkerIdentity>(named: string, workers: readonly Worker[]): Worker {
  const found = workers.filter(({ id, name }) => name === named || String(id) === named)
  if (found.length === 1) return found[0]!
  if (found.length === 0)
    throw new ConvoyError(
      'usage',
      workers.length === 0
        ? `There is no worker ${named}: none takes part.`
        : `There is no worker ${named}. Name one of ${listed(workers)}.`,
    )
  throw new ConvoyError(
    'usage',
    `${named} may be ${found.map(described).join(' or ')}. Give the number of the one, or the name of the other.`,
  )
}

function listed(workers: readonly WorkerIdentity[]): string {
  const shown = workers.slice(0, MAX_LISTED).map(described).join(', ')
  return workers.length > MAX_LISTED ? `${shown} and ${workers.length - MAX_LISTED} more` : shown
}

function described({ id, name }: WorkerIdentity): string {
  return `${name} (number ${id})`
}
