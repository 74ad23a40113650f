import type { PhaseSeconds, RunStatus } from '../page-state.js'
import { byId, element } from './dom.js'
import { share } from './format.js'

/** Hue in degrees; waiting has none. */
const HUES: Readonly<Record<PhaseSeconds['phase'], number | undefined>> = {
  ...{ forward_backward: 150, sample: 265, augment: 320, encode: 45, send: 20, build: 300 },
  ...{ reduce: 45, journal: 90, apply: 150, publish: 20, evaluate: 205, checkpoint: 350, wait: undefined },
}

/** Shares of the time since the beginning, of the coordinator and of the workers together. */
export function showPhases({ coordinatorPhases, workerPhases }: RunStatus): void {
  const parts = [...breakdown('All workers', workerPhases), ...breakdown('Coordinator', coordinatorPhases)]
  byId('phases').replaceChildren(...(parts.length > 0 ? parts : ['Nothing measured yet.']))
}

function breakdown(title: string, phases: readonly PhaseSeconds[]): HTMLElement[] {
  const total = phases.reduce((sum, { seconds }) => sum + seconds, 0)
  if (total === 0) return []
  const parts = phases
    .toSorted((a, b) => b.seconds - a.seconds)
    .map(({ phase, seconds }) => {
      const hue = HUES[phase]
      const color = hue === undefined ? 'var(--quiet)' : `oklch(65% 0.13 ${hue})`
      return { name: phase.replace('_', ' '), part: seconds / total, color }
    })
  const label = parts.map(({ name, part }) => `${name} ${share(part)}`).join(', ')
  const whole = element('div', { class: 'bar', role: 'img', 'aria-label': `${title}: ${label}` })
  const key = element('ul', { class: 'key', 'aria-hidden': 'true' })
  for (const { name, part, color } of parts) {
    const piece = element('span', { title: `${name} ${share(part)}` })
    piece.style.width = `${100 * part}%`
    piece.style.background = color
    whole.append(piece)
    const swatch = element('i')
    swatch.style.background = color
    key.append(element('li', {}, swatch, `${name} ${share(part)}`))
  }
  return [element('h3', {}, title), whole, key]
}
