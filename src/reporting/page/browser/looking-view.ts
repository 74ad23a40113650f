import type { Inspection } from '../inspection.js'
import type { Snapshot } from '../page-state.js'
import { byId, say } from './dom.js'
import { count } from './format.js'
import { isOver, weightsAt } from './result-view.js'

byId('look').addEventListener('click', () => {
  // An answer that does not come is seen as a break of the connection.
  fetch('./look', { method: 'POST' }).catch(() => undefined)
})

/** Whether the images are there; if not, why, and how to get them. */
export function showLooking(run: Snapshot, inspection: Inspection | undefined, isConnected: boolean): void {
  const { looking, status } = run
  const steps = (status?.state === 'training' || status?.state === 'evaluating') && !isOver(run)
  const button = byId('look') as HTMLButtonElement
  button.hidden = !isConnected || !steps
  button.disabled = looking?.state === 'running'
  say('looking', sentence(run, inspection, !isConnected || isOver(run)))
}

function sentence(run: Snapshot, inspection: Inspection | undefined, hasEnded: boolean): string {
  const { looking } = run
  if (looking?.state === 'running') return 'A process beside the training looks at the weights …'
  if (looking?.state === 'failed') return `Answers and feature maps could not be computed: ${looking.reason}`
  if (inspection)
    return `Answers and feature maps are those of the weights after step ${count(inspection.step)}${weightsAt(run, inspection.step)}.`
  if (hasEnded) return 'There are no answers and feature maps. For a run that is over, convoy report computes them.'
  return (
    'Answers and feature maps need TensorFlow, which the coordinator does not load. They come at the end, if this page is ' +
    'open then; or now, from a process of low priority beside the training.'
  )
}
