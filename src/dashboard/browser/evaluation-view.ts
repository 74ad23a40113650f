import type { Snapshot } from '../page-state.js'
import { byId, element, table } from './dom.js'
import { count, share } from './format.js'

/** The newest evaluation: which class is taken for which, and how well each is known. */
export function showEvaluation({ evaluations, header }: Snapshot): void {
  const newest = evaluations.findLast(({ split }) => split === 'test') ?? evaluations.at(-1)
  if (newest === undefined || header === undefined) return
  byId('evaluation').hidden = false
  const { split, step, accuracy, confusion } = newest
  const { classNames } = header
  const name = (index: number): string => classNames[index] ?? `${index}`
  const head = element(
    'tr',
    {},
    element('th', { scope: 'col' }, 'is \\ taken for'),
    ...confusion.map((_, index) => element('th', { scope: 'col' }, name(index))),
  )
  const rows = confusion.map((row, label) => {
    const total = row.reduce((sum, images) => sum + images, 0)
    return element(
      'tr',
      {},
      element('th', { scope: 'row' }, name(label)),
      ...row.map((images, prediction) => {
        const cell = element('td', { class: 'cell' }, count(images))
        const strength = total > 0 ? Math.round((100 * images) / total) : 0
        cell.style.background = `color-mix(in oklab, var(${label === prediction ? '--good' : '--bad'}) ${Math.round(0.6 * strength)}%, transparent)`
        return cell
      }),
    )
  })
  const perClass = confusion.map((row, label) => {
    const total = row.reduce((sum, images) => sum + images, 0)
    const taken = confusion.reduce((sum, other) => sum + (other[label] ?? 0), 0)
    const right = row[label] ?? 0
    return { label, recall: right / Math.max(1, total), precision: right / Math.max(1, taken), total }
  })
  byId('confusion').replaceChildren(
    element('p', {}, `${split} after step ${count(step)}: ${share(accuracy)} right.`),
    element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows)),
    element('h3', {}, 'By class'),
    ...perClass.map(({ label, recall }) => {
      const fill = element('span')
      fill.style.width = `${Math.round(100 * recall)}%`
      fill.style.background = 'var(--main)'
      return element(
        'div',
        { class: 'class' },
        element('small', {}, `${name(label)} ${share(recall)}`),
        element('div', { class: 'bar', 'aria-hidden': 'true' }, fill),
      )
    }),
    table(
      [
        { title: 'Class', of: ({ label }) => name(label) },
        { title: 'Images', of: ({ total }) => count(total) },
        { title: 'Found (recall)', of: ({ recall }) => share(recall) },
        { title: 'Right when said (precision)', of: ({ precision }) => share(precision) },
      ],
      perClass,
    ),
  )
}
