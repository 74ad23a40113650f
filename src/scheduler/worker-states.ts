import { ConvoyError } from '../shared/errors.js'

/**
 * - joining: admitted; its control stream is not open yet
 * - syncing: connected; fetches data, builds its engine
 * - ready: waits for a lease
 * - busy: holds a lease
 * - suspect: fell silent; gets no lease, and what it holds may be computed by others too
 * - quarantined: failed again and again, or computed wrongly; gets no lease
 * - draining: leaves when it has finished the lease that it holds, if any
 */
export type WorkerState = 'joining' | 'syncing' | 'ready' | 'busy' | 'suspect' | 'quarantined' | 'draining'

/**
 *     joining ─> syncing ─> ready <──> busy ──> draining     any ─> gone
 *                             ^         ^
 *                suspect <────┴─────────┤        suspect returns to what it was
 *                quarantined <──────────┘        and quarantined to ready
 */
const NEXT: Readonly<Record<WorkerState, readonly WorkerState[]>> = {
  joining: ['syncing'],
  syncing: ['ready', 'draining'],
  ready: ['busy', 'suspect', 'quarantined', 'draining'],
  busy: ['ready', 'suspect', 'quarantined', 'draining'],
  suspect: ['ready', 'busy', 'quarantined', 'draining'],
  quarantined: ['ready', 'draining'],
  draining: [],
}

/** @throws ConvoyError('internal') for a transition that the diagram does not have */
export function checkTransition(worker: number, from: WorkerState, to: WorkerState): void {
  if (!NEXT[from].includes(to)) throw new ConvoyError('internal', `worker ${worker} cannot become ${to}: it is ${from}`)
}
