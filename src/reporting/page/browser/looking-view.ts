import type { Inspection } from '../inspection.js'
import type { Snapshot } from '../page-state.js'
import { byId, setStatus } from './dom.js'
import { count } from './format.js'
import { isOver, weightsAt } from './result-view.js'

byId('look').addEventListener('click', () => {
  // A missing answer is reported as a break of the connection.
  fetch('./look', { method: 'POST' }).catch(() => undefined)
})

/** Shows the state of the inspection; if there is none, why, and how to get one. */
export function showInspectionState(run: Snapshot, inspection: Inspection | undefined, isConnected: boolean): void {
  const { looking, status, header } = run
  byId('inspection-section').hidden = header !== undefined && header.imageShape === undefined
  const steps = ['training', 'evaluating', 'paused'].includes(status?.state ?? '') && !isOver(run)
  const button = byId('look') as HTMLButtonElement
  button.hidden = !isConnected || !steps
  button.disabled = looking?.state === 'running'
  setStatus('looking', sentence(run, inspection, !isConnected || isOver(run)))
}

function sentence(run: Snapshot, inspection: Inspection | undefined, hasEnded: boolean): string {
  const { looking } = run
  if (looking?.state === 'running') return 'A separate process is inspecting the weights …'
  if (looking?.state === 'failed') return `Predictions and feature maps could not be computed: ${looking.reason}`
  if (inspection)
    return `Predictions and feature maps of the weights after step ${count(inspection.step)}${weightsAt(run, inspection.step)}.`
  if (hasEnded) return 'There are no predictions and feature maps. For a finished run, convoy report computes them.'
  return (
    'Predictions and feature maps need TensorFlow, which the coordinator does not load. They are computed at the end of the run, if this ' +
    'page is open then; or now, by a separate process of low priority.'
  )
}
