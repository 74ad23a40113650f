import type { MetricName, NameOf } from '../src/metrics/definitions.js'
import { fullName, METRICS } from '../src/metrics/definitions.js'
import type { StateMetric } from './states.js'

/**
 * The dashboards' variable: the runs that are shown. Workers serve some of the coordinator's metrics too: where Prometheus scrapes them
 * as well, nothing is drawn or added twice.
 */
const RUN = 'run=~"$run", component="coordinator"'
/** What a sum keeps apart: two machines may begin runs of the same name in the same second. */
const RUN_LABELS = 'instance, run'
const WORKER = 'worker=~"$worker"'

/** The time that rates are taken over; Grafana fits it to what is shown and to how often Prometheus scrapes. */
const WINDOW = '[$__rate_interval]'

/** What a metric stands at. @param matchers further label matchers, such as `split="test"` */
export function value(name: MetricName, ...matchers: string[]): string {
  return selector(fullName(name), name, matchers)
}

/** What is added per second. */
export function rate(name: NameOf<'counter'>, ...matchers: string[]): string {
  return `rate(${value(name, ...matchers)}${WINDOW})`
}

/** What was added within a step of a chart. Exact: the counters of a run never restart. For annotations. */
export function added(name: NameOf<'counter'>, ...matchers: string[]): string {
  const now = value(name, ...matchers)
  return `${now} - ${now} offset $__interval > 0`
}

/** Of a counter: what is added per second, over all labels but these. */
export function sumOfRates(name: NameOf<'counter'>, by: string, ...matchers: string[]): string {
  return `sum by (${keep(by)}) (${rate(name, ...matchers)})`
}

/** The number of the state that each run, or each worker, is in. */
export function stateNumber({ name, states }: StateMetric): string {
  const numbered = states.map(({ state }, index) => `${index + 1} * ${value(name, `state="${state}"`)}`)
  return `sum by (${keep(name === 'worker_state' ? 'worker' : '')}) (${numbered.join(' or ')})`
}

/** Of a histogram: the mean over the window. */
export function mean(name: NameOf<'histogram'>, by: string, ...matchers: string[]): string {
  const of = (part: string): string => `sum by (${keep(by)}) (rate(${histogramPart(name, part, matchers)}${WINDOW}))`
  return `${of('sum')} / ${of('count')}`
}

/** Of a histogram: what this share of the observations stayed below. @param by a label to keep beside the run's */
export function quantile(share: number, name: NameOf<'histogram'>, by = '', ...matchers: string[]): string {
  return `histogram_quantile(${share}, sum by (${keep(by)}, le) (rate(${histogramPart(name, 'bucket', matchers)}${WINDOW})))`
}

/** Of a histogram: seconds spent per second. */
export function busy(name: NameOf<'histogram'>, by: string, ...matchers: string[]): string {
  return `sum by (${keep(by)}) (rate(${histogramPart(name, 'sum', matchers)}${WINDOW}))`
}

/** Of a histogram: observations per second. */
export function frequency(name: NameOf<'histogram'>, by: string, ...matchers: string[]): string {
  return `sum by (${keep(by)}) (rate(${histogramPart(name, 'count', matchers)}${WINDOW}))`
}

/** Of a histogram: new observations in each bucket. */
export function buckets(name: NameOf<'histogram'>): string {
  return `sum by (${keep('le')}) (increase(${histogramPart(name, 'bucket', [])}${WINDOW}))`
}

/** A metric that prom-client adds of the process, such as `process_open_fds`. */
export function ofProcess(name: `process_${string}` | `nodejs_${string}`, ...matchers: string[]): string {
  return `convoy_${name}{${[RUN, ...matchers].join(', ')}}`
}

/** As {@link ofProcess}, per second. */
export function processRate(name: `process_${string}` | `nodejs_${string}`, by = ''): string {
  return `sum by (${keep(by)}) (rate(${ofProcess(name)}${WINDOW}))`
}

/** @param by further labels, with commas between them */
function keep(by: string): string {
  return by === '' ? RUN_LABELS : `${RUN_LABELS}, ${by}`
}

function histogramPart(name: NameOf<'histogram'>, part: string, matchers: string[]): string {
  return selector(`${fullName(name)}_${part}`, name, matchers)
}

function selector(series: string, name: MetricName, matchers: string[]): string {
  const ofWorker = 'worker' in METRICS[name].labels ? [WORKER] : []
  return `${series}{${[RUN, ...ofWorker, ...matchers].join(', ')}}`
}
