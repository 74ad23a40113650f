/** One query of a panel. */
export interface Query {
  readonly expr: string
  /** How its series are called; `{{label}}` stands for a label's value. */
  readonly legend: string
}

/** Units by Grafana's names. */
export type Unit =
  'none' | 'short' | 'percentunit' | 's' | 'bytes' | 'Bps' | 'ops' | 'celsius' | 'watt' | 'dateTimeAsIso' | 'img/s'

/**
 * lines: over time. stack: lines on top of each other. number: what it stands at now. label: the name of the series that is there now.
 * states: over time, which of its series each thing is in. heat: a histogram over time.
 */
export type PanelKind = 'lines' | 'stack' | 'number' | 'label' | 'states' | 'heat'

export interface Panel {
  readonly title: string
  /** What it shows, and what bad looks like. */
  readonly description: string
  readonly kind: PanelKind
  readonly unit: Unit
  /** Of 24 columns. */
  readonly width: number
  readonly queries: readonly Query[]
  /** From these values on it is worrying, and bad. */
  readonly limits?: { readonly warn: number; readonly bad: number }
}

export interface Dashboard {
  /** Its address in Grafana and its file's name. */
  readonly id: string
  readonly title: string
  readonly description: string
  /** Whether one may choose workers. */
  readonly hasWorkers: boolean
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[]
}

export const NUMBER_HEIGHT = 4
export const CHART_HEIGHT = 8

/** Rows of the grid that a panel takes. */
export function heightOf({ kind }: Panel): number {
  return kind === 'number' || kind === 'label' ? NUMBER_HEIGHT : CHART_HEIGHT
}

type Common = Pick<Panel, 'title' | 'description' | 'unit'> & Partial<Pick<Panel, 'width' | 'limits'>>

/** A chart over time of half the width, unless another one is given. */
export function lines(panel: Common, ...queries: Query[]): Panel {
  return { kind: 'lines', width: 12, queries, ...panel }
}

/** As {@link lines}, stacked. */
export function stack(panel: Common, ...queries: Query[]): Panel {
  return { kind: 'stack', width: 12, queries, ...panel }
}

/** One number that says it all. */
export function number(panel: Common, expr: string): Panel {
  return { kind: 'number', width: 4, queries: [{ expr, legend: panel.title }], ...panel }
}
