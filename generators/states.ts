import { RUN_STATES, WORKER_STATES } from '../src/metrics/definitions.js'

/** Colours by Grafana's names: the same state has the same colour on every dashboard. */
const RUN_COLORS: Readonly<Record<(typeof RUN_STATES)[number], string>> = {
  waiting: 'orange',
  training: 'green',
  evaluating: 'blue',
  paused: 'yellow',
  finished: 'purple',
  stopped: 'light-purple',
  failed: 'red',
}
const WORKER_COLORS: Readonly<Record<(typeof WORKER_STATES)[number], string>> = {
  joining: 'light-yellow',
  syncing: 'super-light-blue',
  ready: 'light-green',
  busy: 'green',
  suspect: 'orange',
  quarantined: 'red',
  draining: 'text',
}

/** A gauge with the label `state`, and how its states are drawn. */
export interface StateMetric {
  readonly name: 'run_state' | 'worker_state'
  /** Grafana draws numbers: that of a state is its place here, from 1 on. */
  readonly states: readonly { readonly state: string; readonly color: string }[]
}

export const RUN_STATE: StateMetric = {
  name: 'run_state',
  states: RUN_STATES.map((state) => ({ state, color: RUN_COLORS[state] })),
}
export const WORKER_STATE: StateMetric = {
  name: 'worker_state',
  states: WORKER_STATES.map((state) => ({ state, color: WORKER_COLORS[state] })),
}
