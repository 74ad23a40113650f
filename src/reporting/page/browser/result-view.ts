import type { RunEnd, Snapshot } from '../page-state.js'
import { byId, element } from './dom.js'
import { count, counted, share } from './format.js'

/** Whether no step will follow. */
export function isOver({ outcome, status }: Snapshot): boolean {
  return outcome !== undefined || status?.end !== undefined
}

/** Names the weights of a step, such as ` (best weights)`; empty for other steps. */
export function weightsAt({ weights, evaluations, outcome }: Snapshot, step: number): string {
  const best = weights?.best?.step ?? evaluations.findLast((one) => one.split === 'validation' && one.best)?.step
  const names = [
    ...(best === step ? [outcome === undefined ? 'best so far' : 'best'] : []),
    ...(weights?.last?.step === step ? ['last'] : []),
  ]
  return names.length === 0 ? '' : ` (${names.join(' and ')} weights)`
}

/** The main numbers: test, validation and loss of the best weights. */
export function showResult(run: Snapshot): void {
  const place = byId('result')
  place.hidden = !isOver(run)
  if (place.hidden) return
  place.replaceChildren(...(run.outcome === undefined ? untested(run) : tested(run, run.outcome)))
}

function tested(run: Snapshot, outcome: NonNullable<Snapshot['outcome']>): HTMLElement[] {
  const { testAccuracy, testLoss, testSamples, testWeights } = outcome
  const { best, last } = run.weights ?? {}
  const tested = run.weights?.[testWeights]
  const whose = `${testWeights} weights${tested ? `, after step ${count(tested.step)}` : ''}`
  return [
    ...(testAccuracy === undefined ? [] : [accuracyTile(testAccuracy, testSamples, whose)]),
    ...(best?.validation ? [validationTile(run, best.validation, best.step)] : []),
    ...(testLoss === undefined ? [] : [lossTile(testLoss, whose, testAccuracy === undefined ? 'main' : '')]),
    ...(last?.validation && last.step !== best?.step
      ? [number('Last weights, validation', measured(last.validation), `after step ${count(last.step)}; not tested`)]
      : []),
  ]
}

function untested(run: Snapshot): HTMLElement[] {
  const best = run.evaluations.findLast(({ split, best: isBest }) => split === 'validation' && isBest)
  const accuracy = run.header?.classNames.length === 0 ? '' : ' accuracy'
  const why = WHY_UNTESTED[run.status?.end?.kind ?? 'unknown']
  return [
    number(`Test${accuracy}`, 'not measured', why, 'main missing'),
    best
      ? validationTile(run, best, best.step)
      : number(`Best validation${accuracy}`, 'not measured', 'the run ended before its first validation', 'missing'),
    ...(best
      ? [number('Validation loss', best.loss.toFixed(4), `mean per sample; after step ${count(best.step)}`)]
      : []),
  ]
}

const WHY_UNTESTED: Readonly<Record<RunEnd['kind'], string>> = {
  finished: 'the result was not recorded',
  stopped: 'the run was stopped before its test',
  interrupted: 'the run was interrupted before its test',
  failed: 'the run failed before its test',
  unknown: 'the run ended before its test',
}

interface Measured {
  readonly accuracy?: number
  readonly loss: number
}

function measured({ accuracy, loss }: Measured): string {
  return accuracy === undefined ? `loss ${loss.toFixed(4)}` : share(accuracy)
}

function lossTile(loss: number, whose: string, kind: string): HTMLElement {
  return number('Test loss', loss.toFixed(4), `mean per sample; ${whose}`, kind)
}

function accuracyTile(accuracy: number, samples: number | undefined, whose: string): HTMLElement {
  const right =
    samples === undefined
      ? 'number of images not recorded'
      : `${count(accuracy * samples)} of ${counted(samples, 'test image')} correct`
  return number('Test accuracy', share(accuracy), `${right}; ${whose}`, 'main')
}

function validationTile({ header }: Snapshot, validation: Measured, step: number): HTMLElement {
  const { accuracy } = validation
  if (accuracy === undefined)
    return number('Best validation', measured(validation), `best weights, after step ${count(step)}`)
  const images = header?.splitSizes['validation']
  const of =
    images === undefined ? '' : `${count(accuracy * images)} of ${counted(images, 'validation image')} correct; `
  return number('Best validation accuracy', share(accuracy), `${of}best weights, after step ${count(step)}`)
}

function number(name: string, value: string, about: string, kind = ''): HTMLElement {
  return element(
    'div',
    { class: kind },
    element('dt', {}, name),
    element('dd', { class: 'value' }, value),
    element('dd', { class: 'about' }, about),
  )
}
