import type { PhaseSeconds, RunStatus } from '../page-state.js'
import { byId, element } from './dom.js'
import { share } from './format.js'

const HUES = [210, 30, 140, 280, 0, 180, 60, 320, 100, 240, 15, 160]

/** Shares of the time since the beginning, of the coordinator and of the workers together. */
export function showPhases({ coordinatorPhases, workerPhases }: RunStatus): void {
  byId('phases').replaceChildren(
    ...breakdown('Workers, together', workerPhases),
    ...breakdown('Coordinator', coordinatorPhases),
  )
}

function breakdown(title: string, phases: readonly PhaseSeconds[]): HTMLElement[] {
  const total = phases.reduce((sum, { seconds }) => sum + seconds, 0)
  if (total === 0) return []
  const parts = phases.map(({ phase, seconds }, index) => ({
    name: phase.replace('_', ' '),
    part: seconds / total,
    color: `hsl(${HUES[index % HUES.length] ?? 0} 55% 55%)`,
  }))
  const said = parts.map(({ name, part }) => `${name} ${share(part)}`).join(', ')
  const bar = element('div', { class: 'bar', role: 'img', 'aria-label': `${title}: ${said}` })
  const key = element('ul', { class: 'key', 'aria-hidden': 'true' })
  for (const { name, part, color } of parts) {
    const piece = element('span', { title: `${name} ${share(part)}` })
    piece.style.width = share(part).replace(' ', '')
    piece.style.background = color
    bar.append(piece)
    const swatch = element('i')
    swatch.style.background = color
    key.append(element('li', {}, swatch, `${name} ${share(part)}`))
  }
  return [element('h3', {}, title), bar, key]
}
