import type { Inspection } from '../inspection.js'
import type { Snapshot } from '../page-state.js'
import { byId, say } from './dom.js'
import { count } from './format.js'

byId('look').addEventListener('click', () => {
  // An answer that does not come is seen as a break of the connection.
  fetch('./look', { method: 'POST' }).catch(() => undefined)
})

/** Whether the images are there; if not, why, and how to get them. */
export function showLooking(
  { looking, status, outcome }: Snapshot,
  inspection: Inspection | undefined,
  isConnected: boolean,
): void {
  const steps = (status?.state === 'training' || status?.state === 'evaluating') && outcome === undefined
  const button = byId('look') as HTMLButtonElement
  button.hidden = !isConnected || !steps
  button.disabled = looking?.state === 'running'
  say('looking', sentence(looking, inspection, !isConnected || outcome !== undefined))
}

function sentence(looking: Snapshot['looking'], inspection: Inspection | undefined, hasEnded: boolean): string {
  if (looking?.state === 'running') return 'A process beside the training looks at the weights …'
  if (looking?.state === 'failed') return `Answers and feature maps could not be computed: ${looking.reason}`
  if (inspection) return `Answers and feature maps are those of the weights after step ${count(inspection.step)}.`
  if (hasEnded) return 'Answers and feature maps are not there. For a finished run, convoy report computes them.'
  return (
    'Answers and feature maps need TensorFlow, which the coordinator does not load. They come at the end, if this page is ' +
    'open then; or now, from a process of low priority beside the training.'
  )
}
