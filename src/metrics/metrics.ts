import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { LabelsOf, LabelValues, MetricName, NameOf } from './definitions.js'
import { fullName, METRICS } from './definitions.js'
import type { PhaseReport } from './phases.js'
import { PHASE_BUCKETS } from './phases.js'

/** One value of a metric that is read at each scrape. */
export interface Sample<Name extends MetricName> {
  readonly labels: LabelsOf<Name>
  readonly value: number
}

type Primitive = Counter | Gauge | Histogram

/** The part of Convoy that serves the metrics. Both serve metrics of workers and of their own process. */
export type Component = 'coordinator' | 'worker'

/** Labels of every series that a process serves. */
export interface ConstantLabels {
  readonly component: Component
  /** See runNameOf. Absent: a worker that has not joined a run yet. */
  readonly run?: string
  /** Of a worker's own metrics. */
  readonly worker?: string
}

/** As long as a worker's name may be. Names of data sets may be longer. */
const MAX_LABEL_CHARACTERS = 200

/** A rendered text is sent to all scrapes within this time: a thousand scrapes at once cost as much as one. */
const FRESH_MS = 250

/** Gauges of prom-client that are named like counters, which promtool objects to. */
const MISNAMED = ['active_handles', 'active_requests', 'active_resources'].map((name) => `convoy_nodejs_${name}_total`)

/**
 * Prometheus metrics by the names, labels and kinds of {@link METRICS}, where what does not fit does not compile; and those of the
 * process (`convoy_process_…`, `convoy_nodejs_…`: event loop, garbage collection, memory, descriptors).
 */
export class Metrics {
  readonly #registry = new Registry()
  readonly #now: () => number
  readonly #primitives = new Map<MetricName, Primitive>()
  #rendered: { readonly atMs: number; readonly reply: Promise<{ text: string; contentType: string }> } | undefined

  /** @param now monotonic milliseconds */
  constructor(now: () => number, constant: ConstantLabels) {
    this.#now = now
    this.label(constant)
    collectDefaultMetrics({ register: this.#registry, prefix: 'convoy_' })
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name)
  }

  /** Replaces the labels that every series has. Prometheus then ends the old series and begins new ones. */
  label(constant: ConstantLabels): void {
    this.#registry.setDefaultLabels(bounded({ ...constant }))
    this.#rendered = undefined
  }

  /** A counter that stands at 0 for each of its labels until something happens: without a series no alert can be raised. */
  startAtZero(name: NameOf<'counter'>): void {
    const labels: Readonly<Record<string, LabelValues>> = METRICS[name].labels
    let combinations: Record<string, string>[] = [{}]
    for (const [label, values] of Object.entries(labels)) {
      if (values === 'open') return
      combinations = combinations.flatMap((others) => values.map((value) => ({ ...others, [label]: value })))
    }
    for (const combination of combinations) (this.#primitive(name) as Counter).inc(combination, 0)
  }

  increase<Name extends NameOf<'counter'>>(name: Name, labels: LabelsOf<Name>, by = 1): void {
    ;(this.#primitive(name) as Counter).inc(bounded(labels), by)
  }

  set<Name extends NameOf<'gauge'>>(name: Name, labels: LabelsOf<Name>, value: number): void {
    ;(this.#primitive(name) as Gauge).set(bounded(labels), value)
  }

  observe<Name extends NameOf<'histogram'>>(name: Name, labels: LabelsOf<Name>, value: number): void {
    ;(this.#primitive(name) as Histogram).observe(bounded(labels), value)
  }

  /** A metric whose values are computed at each scrape: a worker that left has no value any more. */
  collect<Name extends NameOf<'counter' | 'gauge'>>(name: Name, samples: () => readonly Sample<Name>[]): void {
    this.#register(name, () => samples().map(({ labels, value }) => ({ labels: bounded(labels), value })))
  }

  /** The phases of coordinator and workers, from the sums that they keep. */
  collectPhases(reports: Readonly<Record<'coordinator' | 'worker', () => readonly PhaseReport[]>>): void {
    const name = fullName('phase_duration_seconds')
    this.#register('phase_duration_seconds', () =>
      (['coordinator', 'worker'] as const).flatMap((role) =>
        reports[role]().flatMap(({ phase, counts, seconds }) => {
          const labels = { role, phase }
          let below = 0
          const buckets = counts.map((count, bucket) => {
            const le = PHASE_BUCKETS[bucket] ?? '+Inf'
            return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: (below += count) }
          })
          return [
            ...buckets,
            { metricName: `${name}_sum`, labels, value: seconds },
            { metricName: `${name}_count`, labels, value: below },
          ]
        }),
      ),
    )
  }

  /** What Prometheus reads. */
  async render(): Promise<{ text: string; contentType: string }> {
    const atMs = this.#now()
    if (this.#rendered === undefined || atMs - this.#rendered.atMs > FRESH_MS) {
      const { contentType } = this.#registry
      this.#rendered = { atMs, reply: this.#registry.metrics().then((text) => ({ text, contentType })) }
    }
    return this.#rendered.reply
  }

  #primitive(name: MetricName): Primitive {
    let primitive = this.#primitives.get(name)
    if (primitive === undefined) {
      primitive = this.#create(name)
      this.#primitives.set(name, primitive)
    }
    return primitive
  }

  #create(name: MetricName): Primitive {
    const definition = METRICS[name]
    const { kind, help, labels } = definition
    const options = { name: fullName(name), help, labelNames: Object.keys(labels), registers: [this.#registry] }
    if (kind === 'counter') return new Counter(options)
    if (kind === 'gauge') return new Gauge(options)
    return new Histogram({ ...options, buckets: [...definition.buckets] })
  }

  #register(name: MetricName, values: () => readonly object[]): void {
    const { kind, help } = METRICS[name]
    const metric = { name: fullName(name), help, type: kind, aggregator: 'sum' }
    const collector = {
      ...metric,
      reset: () => undefined,
      get: async () => Promise.resolve({ ...metric, values: values() }),
    }
    this.#registry.registerMetric(collector as unknown as Counter)
  }
}

/** Labels whose values are not longer than {@link MAX_LABEL_CHARACTERS}. */
function bounded(labels: Readonly<Record<string, string>>): Record<string, string> {
  const short = (value: string): string =>
    value.length > MAX_LABEL_CHARACTERS ? `${value.slice(0, MAX_LABEL_CHARACTERS - 1)}…` : value
  return Object.fromEntries(Object.entries(labels).map(([label, value]) => [label, short(value)]))
}
