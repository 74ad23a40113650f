import { added } from './queries.js'

/** Moments that every dashboard marks on its charts. */
export interface Annotation {
  readonly name: string
  /** More than 0 where the moment is. */
  readonly expr: string
  /** By Grafana's names. */
  readonly color: string
}

export const ANNOTATIONS: readonly Annotation[] = [
  { name: 'Worker joined', expr: added('worker_joins'), color: 'green' },
  { name: 'Worker left on request', expr: added('worker_departures', 'cause="left"'), color: 'blue' },
  { name: 'Worker lost', expr: added('worker_departures', 'cause="lost"'), color: 'red' },
]
