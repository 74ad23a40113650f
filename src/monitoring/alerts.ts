import type { MetricName } from '../metrics/definitions.js'
import { fullName } from '../metrics/definitions.js'

/** Series of a test: one value a minute in promtool's notation, from minute 0 on (`0+1x10`: 0, 1 … 10). */
export interface SeriesOfTest {
  readonly series: string
  readonly values: string
}

export interface Alert {
  readonly name: string
  /** critical: the run stands still or its result is in danger. warning: it costs time. */
  readonly severity: 'critical' | 'warning'
  readonly expr: string
  /** It must hold so long; Prometheus' notation. */
  readonly holds: string
  /** One line; `{{ $labels.x }}` stands for a label. */
  readonly summary: string
  /** Runbook: what it means. */
  readonly meaning: string
  /** Runbook: what to do, step by step. */
  readonly remedy: readonly string[]
  /** What promtool checks after ten minutes: these series raise it, with these labels … */
  readonly raisedBy: readonly SeriesOfTest[]
  readonly labels: Readonly<Record<string, string>>
  /** … and these, as near to it as can be, do not. */
  readonly notBy: readonly SeriesOfTest[]
}

const COORDINATOR = { instance: 'c', job: 'convoy' }
/** Another, which comes near to an alert. */
const OTHER = { ...COORDINATOR, instance: 'other' }
/** Absent until promtool looks: what is bad only then does not hold yet. */
const JUST_NOW = '_x10'

/** What deploy/monitoring/prometheus/alerts.yml and docs/alerts.md are generated from. */
export const ALERTS: readonly Alert[] = [
  {
    name: 'ConvoyDown',
    severity: 'critical',
    expr: `up{job="convoy"} == 0 and on (instance, job) last_over_time(${fullName('run_state')}{state="finished"}[1d]) == 0`,
    holds: '1m',
    summary: 'The coordinator at {{ $labels.instance }} does not answer, and its run has no result.',
    meaning:
      'It failed, was interrupted or killed, or cannot be reached. One that ends with a result waits for the scrape that sees it (scrapes ' +
      'may be a quarter of a minute apart), and raises nothing. A day later it is forgotten.',
    remedy: [
      '`convoy.log` in the run directory ends with the reason, the step and the remedy, unless the process was killed.',
      'Killed: `dmesg` tells whether it was for memory. Start the coordinator again.',
      'If it runs: can Prometheus reach its `--metrics-listen` address?',
      'Interrupted on purpose: take it out of the targets of Prometheus, or silence the alert.',
    ],
    raisedBy: [
      { series: `up${braces(COORDINATOR)}`, values: '1 1 0x20' },
      { series: finished(COORDINATOR), values: '0 0 stale' },
    ],
    labels: COORDINATOR,
    // One has its result; another was there a moment ago.
    notBy: [
      { series: `up${braces(COORDINATOR)}`, values: '1 1 0x20' },
      { series: finished(COORDINATOR), values: '0 1 stale' },
      { series: `up${braces(OTHER)}`, values: '1x9 0' },
      { series: finished(OTHER), values: '0x9 stale' },
    ],
  },
  {
    name: 'ConvoyNoWorkers',
    severity: 'critical',
    expr: `${fullName('run_state')}{state="waiting"} == 1`,
    holds: '2m',
    summary: 'The run at {{ $labels.instance }} waits: no worker takes part.',
    meaning: 'Every worker left or was lost, or none has joined yet. Nothing is lost; the run goes on when one joins.',
    remedy: [
      'Start workers: `npx convoy worker --join <address>`.',
      'If they run: their logs say why they cannot join (address, version, another device).',
    ],
    ...gauge('run_state', '1', '0', { state: 'waiting' }),
  },
  {
    name: 'ConvoyStalled',
    severity: 'critical',
    expr: `changes(${fullName('step')}[2m]) == 0 and on (instance, job) ${fullName('run_state')}{state="training"} == 1`,
    holds: '3m',
    summary: 'No step for five minutes at {{ $labels.instance }}, though workers take part.',
    meaning: 'Workers are there and no step ends: they are stuck, or a step takes longer than five minutes.',
    remedy: [
      '`npx convoy status` names the workers, their states and leases.',
      'End a worker that stays busy without progress: its shards go to others, the result stays the same.',
    ],
    raisedBy: [
      { series: `${fullName('step')}${braces(COORDINATOR)}`, values: '7x20' },
      { series: `${fullName('run_state')}${braces({ ...COORDINATOR, state: 'training' })}`, values: '1x20' },
    ],
    labels: COORDINATOR,
    // One evaluates; the steps of another take three minutes.
    notBy: [
      { series: `${fullName('step')}${braces(COORDINATOR)}`, values: '7x20' },
      { series: `${fullName('run_state')}${braces({ ...COORDINATOR, state: 'training' })}`, values: '0x20' },
      { series: `${fullName('step')}${braces(OTHER)}`, values: '1 2 2 2 3 3 3 4 4 4 4' },
      { series: `${fullName('run_state')}${braces({ ...OTHER, state: 'training' })}`, values: '1x20' },
    ],
  },
  {
    name: 'ConvoyNonfiniteGradients',
    severity: 'critical',
    expr: `increase(${fullName('nonfinite_gradients')}[5m]) > 0`,
    holds: '0m',
    summary: 'Gradients at {{ $labels.instance }} were not finite or absurdly large.',
    meaning: 'They were refused; the weights are clean. The same from two workers stops the run.',
    remedy: [
      'From one worker alone: its machine or memory is at fault; take it out.',
      'From several: lower the learning rate, clip the gradient (`--clip-norm`), and check the data.',
    ],
    ...counter('nonfinite_gradients'),
  },
  {
    name: 'ConvoyAuditMismatch',
    severity: 'critical',
    expr: `increase(${fullName('audits')}{outcome=~"mismatch|disputed"}[1h]) > 0`,
    holds: '0m',
    summary: 'An audit at {{ $labels.instance }} found different results for the same work ({{ $labels.outcome }}).',
    meaning: 'A machine computes wrongly. On a mismatch a third execution decided; the weights are clean.',
    remedy: [
      '`convoy.log` names the worker. Take its machine out and test its memory and its GPU.',
      'disputed: no two results agreed. Are all machines of the same kind?',
    ],
    ...counter('audits', { outcome: 'mismatch' }),
  },
  {
    name: 'ConvoyModelNotSaved',
    severity: 'critical',
    expr: `increase(${fullName('model_save_failures')}[10m]) > 0`,
    holds: '0m',
    summary: 'The coordinator at {{ $labels.instance }} could not save a model.',
    meaning: 'The disk is full, read-only or gone. If the run ended now, its work would be lost.',
    remedy: ['Make room where the run directory lies; `convoy.log` has the exact error.'],
    ...counter('model_save_failures'),
  },
  {
    name: 'ConvoyQuarantine',
    severity: 'warning',
    expr: `increase(${fullName('quarantines')}[10m]) > 0`,
    holds: '0m',
    summary: 'A worker at {{ $labels.instance }} failed so often that it gets no work for a while.',
    meaning: 'It crashed, sent bad results or lost an audit again and again. Others do its work.',
    remedy: ['The workers dashboard shows which one; its log says why.'],
    ...counter('quarantines'),
  },
  {
    name: 'ConvoyResultsMalformed',
    severity: 'warning',
    expr: `increase(${fullName('results_refused')}{reason="malformed"}[10m]) > 0`,
    holds: '0m',
    summary: 'Results at {{ $labels.instance }} had a wrong checksum, shape or claim.',
    meaning: 'A link damages bytes, or a program that is no Convoy worker talks to the coordinator. They were refused.',
    remedy: ['`convoy.log` names the worker and the reason. Check its network card, cable and version.'],
    ...counter('results_refused', { reason: 'malformed' }),
  },
  {
    name: 'ConvoyWorkersLeave',
    severity: 'warning',
    expr: `increase(${fullName('worker_departures')}[10m]) > 5`,
    holds: '0m',
    summary: 'More than five workers left {{ $labels.instance }} within ten minutes.',
    meaning: 'Workers crash, are killed (memory), or the network between them and the coordinator breaks.',
    remedy: ['The ends of their logs say why they left; `dmesg` tells of processes killed for memory.'],
    ...counter('worker_departures', {}, '0+0.6x20', '0+0.5x20'),
  },
  {
    name: 'ConvoyStraggler',
    severity: 'warning',
    expr: `${fullName('worker_straggler_ratio')} > 2`,
    holds: '5m',
    summary: 'Worker {{ $labels.worker }} needs twice as long for a shard as the fastest one, and more.',
    meaning: 'Convoy gives it less work, so it costs little; but its machine could do more.',
    remedy: ['Look for other load, a CPU limit, heat or a slower kind of machine there.'],
    ...gauge('worker_straggler_ratio', '3', '2', { worker: 'w' }),
  },
  {
    name: 'ConvoyWorkerSilent',
    severity: 'warning',
    expr: `avg_over_time(${fullName('worker_heartbeat_age_seconds')}[5m]) > 1`,
    holds: '1m',
    summary: 'Worker {{ $labels.worker }} is hardly heard.',
    meaning:
      'A worker is heard every 0.75 s, and given up after 3 s. This one is silent for longer than it should, again and again: ' +
      'a link that loses packets, or a machine out of breath.',
    remedy: ['Measure the link (`ping`), and look at the event loop of the worker on its dashboard.'],
    ...gauge('worker_heartbeat_age_seconds', '1.5', '1', { worker: 'w' }),
  },
  {
    name: 'ConvoyGpuHot',
    severity: 'warning',
    expr: `${fullName('worker_gpu_temperature_celsius')} > 85`,
    holds: '5m',
    summary: 'The GPU of worker {{ $labels.worker }} has {{ $value }} °C.',
    meaning: 'GPUs slow themselves down when they are hot.',
    remedy: ['Check fans and air flow; limit its power with nvidia-smi.'],
    ...gauge('worker_gpu_temperature_celsius', '90', '85', { worker: 'w' }),
  },
  {
    name: 'ConvoyCoordinatorBlocked',
    severity: 'warning',
    expr: 'convoy_nodejs_eventloop_lag_p99_seconds{job="convoy"} > 0.5',
    holds: '5m',
    summary: 'The coordinator at {{ $labels.instance }} stands still for half a second at a time.',
    meaning: 'Its thread is overloaded; workers wait, and soon believe that it froze.',
    remedy: [
      'Give it a core of its own: fewer workers on its machine, or another machine for it.',
      'The step time dashboard shows whether reduce or apply grew: use larger shards.',
    ],
    raisedBy: [{ series: `convoy_nodejs_eventloop_lag_p99_seconds${braces(COORDINATOR)}`, values: '0.6x20' }],
    labels: COORDINATOR,
    notBy: [
      { series: `convoy_nodejs_eventloop_lag_p99_seconds${braces(COORDINATOR)}`, values: '0.5x20' },
      { series: `convoy_nodejs_eventloop_lag_p99_seconds${braces(OTHER)}`, values: `${JUST_NOW} 0.6` },
    ],
  },
  {
    name: 'ConvoyDescriptorsRunOut',
    severity: 'warning',
    expr: 'convoy_process_open_fds{job="convoy"} / convoy_process_max_fds{job="convoy"} > 0.8',
    holds: '1m',
    summary: 'The coordinator at {{ $labels.instance }} has used four fifths of its descriptors.',
    meaning: 'When they are used up, no worker can join and no file can be opened.',
    remedy: ['Raise the limit (`ulimit -n`), and look who connects.'],
    raisedBy: [
      { series: `convoy_process_open_fds${braces(COORDINATOR)}`, values: '90x20' },
      { series: `convoy_process_max_fds${braces(COORDINATOR)}`, values: '100x20' },
    ],
    labels: COORDINATOR,
    notBy: [
      { series: `convoy_process_open_fds${braces(COORDINATOR)}`, values: '80x20' },
      { series: `convoy_process_max_fds${braces(COORDINATOR)}`, values: '100x20' },
      { series: `convoy_process_open_fds${braces(OTHER)}`, values: `${JUST_NOW} 90` },
      { series: `convoy_process_max_fds${braces(OTHER)}`, values: '100x20' },
    ],
  },
]

type Tested = Pick<Alert, 'raisedBy' | 'labels' | 'notBy'>

/** A gauge that stands at one value all the time; or at the other, or at the first just now. */
function gauge(name: MetricName, bad: string, good: string, labels: Record<string, string>): Tested {
  const all = { ...COORDINATOR, ...labels }
  const series = `${fullName(name)}${braces(all)}`
  return {
    raisedBy: [{ series, values: `${bad}x20` }],
    labels: all,
    notBy: [
      { series, values: `${good}x20` },
      { series: `${fullName(name)}${braces({ ...OTHER, ...labels })}`, values: `${JUST_NOW} ${bad}` },
    ],
  }
}

/** A counter that rises once, or does not. */
function counter(name: MetricName, labels: Record<string, string> = {}, rises = '0x7 1x20', harmless = '3x20'): Tested {
  const all = { ...COORDINATOR, ...labels }
  const series = `${fullName(name)}${braces(all)}`
  return { raisedBy: [{ series, values: rises }], labels: all, notBy: [{ series, values: harmless }] }
}

function finished(labels: Readonly<Record<string, string>>): string {
  return `${fullName('run_state')}${braces({ ...labels, state: 'finished' })}`
}

function braces(labels: Readonly<Record<string, string>>): string {
  return `{${Object.entries(labels)
    .map(([label, of]) => `${label}="${of}"`)
    .join(', ')}}`
}
