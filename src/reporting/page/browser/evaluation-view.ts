import type { EvaluationPoint, Snapshot } from '../page-state.js'
import { bar, byId, element, table } from './dom.js'
import { count, counted, share } from './format.js'
import { weightsAt } from './result-view.js'

/** Limit on classes in the table: a larger one would be unreadable. */
const MAX_CLASSES = 20
const MAX_ROWS = 20

/** The newest evaluation: confusion matrix, recall and precision. */
export class EvaluationView {
  #shown: EvaluationPoint | undefined

  show(run: Snapshot): void {
    const { evaluations, header } = run
    const measured = evaluations.filter(({ confusion }) => confusion !== undefined)
    const newest = measured.findLast(({ split }) => split === 'test') ?? measured.at(-1)
    byId('evaluation').hidden = newest === undefined
    if (newest === undefined || header === undefined || newest === this.#shown) return
    this.#shown = newest
    const { split, step, accuracy = 0, loss, confusion = [] } = newest
    const name = (index: number): string => header.classNames[index] ?? `${index}`
    const images = counted(
      confusion.flat().reduce((sum, cell) => sum + cell, 0),
      `${split} image`,
    )
    byId('evaluated').textContent =
      `${images} after step ${count(step)}${weightsAt(run, step)}: accuracy ${share(accuracy)}, loss ${loss.toFixed(4)}.`
    byId('confusion').replaceChildren(
      confusion.length <= MAX_CLASSES ? square(confusion, name) : worstPairs(confusion, name),
    )
    byId('classes').replaceChildren(...classBars(confusion, name))
  }
}

type Confusion = NonNullable<EvaluationPoint['confusion']>
type NameOf = (index: number) => string

function square(confusion: Confusion, name: NameOf): HTMLTableElement {
  const head = element(
    'tr',
    {},
    element('td', {}, 'actual ↓  predicted →'),
    ...confusion.map((_, index) => element('th', { scope: 'col' }, element('bdi', {}, name(index)))),
  )
  const rows = confusion.map((row, label) => {
    const total = Math.max(1, sumOf(row))
    return element(
      'tr',
      {},
      element('th', { scope: 'row' }, element('bdi', {}, name(label))),
      ...row.map((images, prediction) => {
        const cell = element('td', { class: 'cell' }, count(images))
        const color = label === prediction ? '--good-ground' : '--bad-ground'
        const strength = Math.round((label === prediction ? 60 : 160) * (images / total))
        cell.style.background = `color-mix(in oklab, var(${color}) ${Math.min(60, strength)}%, transparent)`
        return cell
      }),
    )
  })
  return element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows))
}

function worstPairs(confusion: Confusion, name: NameOf): HTMLTableElement {
  const pairs = confusion.flatMap((row, label) =>
    row.map((images, prediction) => ({ images, label, prediction })).filter((pair) => pair.prediction !== label),
  )
  return table(
    [
      { title: 'Actual', of: ({ label }) => name(label) },
      { title: 'Predicted', of: ({ prediction }) => name(prediction), style: () => 'words' },
      { title: 'Images', of: ({ images }) => count(images) },
    ],
    pairs.toSorted((a, b) => b.images - a.images).slice(0, MAX_ROWS),
  )
}

/** Recall and precision; of many classes, those with the lowest recall. */
function classBars(confusion: Confusion, name: NameOf): HTMLElement[] {
  const all = confusion.map((row, label) => {
    const taken = confusion.reduce((sum, other) => sum + (other[label] ?? 0), 0)
    const right = row[label] ?? 0
    return { label, recall: right / Math.max(1, sumOf(row)), precision: right / Math.max(1, taken) }
  })
  const shown = all.length <= MAX_CLASSES ? all : all.toSorted((a, b) => a.recall - b.recall).slice(0, MAX_ROWS)
  return shown.map(({ label, recall, precision }) => bar(name(label), `${share(recall)} · ${share(precision)}`, recall))
}

function sumOf(row: readonly number[]): number {
  return row.reduce((sum, images) => sum + images, 0)
}
