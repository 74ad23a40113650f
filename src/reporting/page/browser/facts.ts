import { element } from './dom.js'

export const NOT_RECORDED = 'not recorded'

/** Name, optional value, optional explanation. */
export type Fact = readonly [name: string, value: string | Node | undefined, hint?: string | undefined]

/** The items of a `dl`. Those without a value are left out. */
export function described(facts: readonly Fact[]): HTMLElement[] {
  return facts.flatMap(([name, value, hint]) =>
    value === undefined
      ? []
      : [element('div', hint === undefined ? {} : { title: hint }, element('dt', {}, name), element('dd', {}, value))],
  )
}
