import type { MetricName, NameOf } from '../metrics/definitions.js'
import { fullName, METRICS } from '../metrics/definitions.js'

/** The dashboards' variables: the coordinator whose run is shown, and some of its workers. */
const RUN = 'instance=~"$run"'
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

/** Of a histogram: the mean over the window. */
export function mean(name: NameOf<'histogram'>, by: string, ...matchers: string[]): string {
  return meanOver(WINDOW, name, by, matchers)
}

/** Of a histogram: the mean over the last ten minutes, where one should be known even if a step takes minutes. */
export function steadyMean(name: NameOf<'histogram'>, by: string): string {
  return meanOver('[10m]', name, by, [])
}

/** Of a histogram: what this share of the observations stayed below. @param by labels to keep, with a comma after each */
export function quantile(share: number, name: NameOf<'histogram'>, by = '', ...matchers: string[]): string {
  return `histogram_quantile(${share}, sum by (${by}le) (rate(${histogramPart(name, 'bucket', matchers)}${WINDOW})))`
}

/** Of a histogram: seconds spent per second. */
export function busy(name: NameOf<'histogram'>, by: string, ...matchers: string[]): string {
  return `sum by (${by}) (rate(${histogramPart(name, 'sum', matchers)}${WINDOW}))`
}

/** Of a histogram: observations per second. */
export function frequency(name: NameOf<'histogram'>, by: string, ...matchers: string[]): string {
  return `sum by (${by}) (rate(${histogramPart(name, 'count', matchers)}${WINDOW}))`
}

/** Of a histogram: new observations in each bucket. */
export function buckets(name: NameOf<'histogram'>): string {
  return `sum by (le) (increase(${histogramPart(name, 'bucket', [])}${WINDOW}))`
}

/** A metric that prom-client adds of the process, such as `process_open_fds`. */
export function ofProcess(name: `process_${string}` | `nodejs_${string}`, ...matchers: string[]): string {
  return `convoy_${name}{${[RUN, ...matchers].join(', ')}}`
}

/** As {@link ofProcess}, per second. */
export function processRate(name: `process_${string}` | `nodejs_${string}`): string {
  return `rate(${ofProcess(name)}${WINDOW})`
}

function meanOver(window: string, name: NameOf<'histogram'>, by: string, matchers: string[]): string {
  const of = (part: string): string => `sum by (${by}) (rate(${histogramPart(name, part, matchers)}${window}))`
  return `${of('sum')} / ${of('count')}`
}

function histogramPart(name: NameOf<'histogram'>, part: string, matchers: string[]): string {
  return selector(`${fullName(name)}_${part}`, name, matchers)
}

function selector(series: string, name: MetricName, matchers: string[]): string {
  const ofWorker = 'worker' in METRICS[name].labels ? [WORKER] : []
  return `${series}{${[RUN, ...ofWorker, ...matchers].join(', ')}}`
}
