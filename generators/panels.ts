import { stateNumber } from './queries.js'
import type { StateMetric } from './states.js'

/** One query of a panel. */
export interface Query {
  readonly expr: string
  /** Label that distinguishes its series within a run; `{{label}}` stands for a label's value. Empty: there is one. See {@link legendOf}. */
  readonly legend: string
}

/** Units by Grafana's names. */
export type Unit =
  'none' | 'short' | 'percentunit' | 's' | 'bytes' | 'Bps' | 'ops' | 'celsius' | 'watt' | 'dateTimeAsIso' | 'img/s'

/**
 * lines: over time. stack: lines on top of each other, a chart for each run. number: the current value. label: the legend of the current
 * series. state: the current state. states: the state over time. heat: a histogram over time, one for each run.
 */
export type PanelKind = 'lines' | 'stack' | 'number' | 'label' | 'state' | 'states' | 'heat'

export interface Panel {
  readonly title: string
  /** What it shows, and which values are bad. */
  readonly description: string
  readonly kind: PanelKind
  readonly unit: Unit
  /** Of 24 columns. */
  readonly width: number
  readonly queries: readonly Query[]
  /** From these values on it is worrying, and bad. */
  readonly limits?: { readonly warn: number; readonly bad: number }
  /** Of the kinds state and states: what the numbers stand for. */
  readonly states?: StateMetric
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
  return kind === 'number' || kind === 'label' || kind === 'state' ? NUMBER_HEIGHT : CHART_HEIGHT
}

/** Whether what it draws of two runs cannot share a chart: each run gets one. */
export function isPerRun({ kind }: Panel): boolean {
  return kind === 'stack' || kind === 'heat'
}

/** Legend of a query's series: the run, and the label that distinguishes them within it. Buckets of a histogram are their bounds. */
export function legendOf({ kind }: Panel, { legend }: Query): string {
  if (kind === 'heat') return legend
  return legend === '' ? '{{run}}' : `{{run}} ${legend}`
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

/** A panel with one number. */
export function number(panel: Common, expr: string): Panel {
  return { kind: 'number', width: 4, queries: [{ expr, legend: '' }], ...panel }
}

/** The current state of each run. */
export function currentState(panel: Common, states: StateMetric): Panel {
  return { kind: 'state', width: 4, queries: [{ expr: stateNumber(states), legend: '' }], states, ...panel }
}

/** The states over time: a row for each run, or for each worker. */
export function stateTimeline(panel: Common, states: StateMetric, legend: string): Panel {
  return { kind: 'states', width: 24, queries: [{ expr: stateNumber(states), legend }], states, ...panel }
}
