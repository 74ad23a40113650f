import type { MetricName } from '../src/metrics/definitions.js'
import { fullName } from '../src/metrics/definitions.js'

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
  /** What promtool checks after ten minutes: these series raise it once, with these labels, whatever else there is … */
  readonly raisedBy: readonly SeriesOfTest[]
  readonly labels: Readonly<Record<string, string>>
  /** … and these, of other runs and as near to it as can be, do not. */
  readonly notBy: readonly SeriesOfTest[]
}

/** The run that an alert is about. */
const RUN = '20260102T030405Z_quick'
const COORDINATOR = { instance: 'c', job: 'convoy', run: RUN, component: 'coordinator' }
/** Another run at the same time, with nothing wrong. */
const HEALTHY = { ...COORDINATOR, instance: 'healthy', run: '20260102T030405Z_other' }
/** Another, which comes near to an alert. */
const NEARLY = { ...COORDINATOR, instance: 'nearly', run: '20260102T030405Z_nearly' }
/** A worker of it that Prometheus scrapes as well. */
const WORKER = { ...COORDINATOR, instance: 'w', component: 'worker', worker: 'w' }
/** Absent until promtool looks: what is bad only then does not hold yet. */
const JUST_NOW = '_x10'

const STATE = fullName('run_state')
const STARTED = 'convoy_process_start_time_seconds'
const CHECKPOINT = fullName('checkpoint_timestamp_seconds')
const SERVED = 'job="convoy", component="coordinator"'

/** What deploy/monitoring/prometheus/alerts.yml and docs/reference/alerts.md are generated from. */
export const ALERTS: readonly Alert[] = [
  {
    name: 'ConvoyDown',
    severity: 'critical',
    expr:
      `max without (state) (last_over_time(${STATE}{state=~"finished|stopped"}[1d])) == 0 ` +
      // One listens there after the other: the last is meant.
      `and on (run, instance, job) topk by (instance, job) (1, last_over_time(${STARTED}{${SERVED}}[1d])) ` +
      'and on (instance, job) up{job="convoy"} == 0',
    holds: '1m',
    summary:
      'Run {{ $labels.run }}: the coordinator at {{ $labels.instance }} does not answer, and its run was neither finished nor stopped.',
    meaning:
      'The run failed or was killed, or Prometheus cannot reach it. A finished run waits for a last scrape (if scrapes are at most 15 s apart), and a ' +
      'run stopped by `convoy stop` or a signal waits up to 6 s; then there is no alert. The alert ends after a day.',
    remedy: [
      '`convoy.log` in the run directory ends with the reason, the step and the remedy, unless the process was killed.',
      'If it was killed: `dmesg` shows whether it was for lack of memory. Go on with it: the same command with `--resume <run directory>`.',
      'If it is running: check that Prometheus can reach its `--metrics-listen` address.',
      'If it was stopped on purpose, and Prometheus scrapes less often than every 5 s: remove it from the targets of Prometheus, or silence the alert.',
    ],
    raisedBy: [
      { series: `up${braces({ instance: 'c', job: 'convoy' })}`, values: '1 1 1 1 0x20' },
      // The one before finished.
      { series: finished(COORDINATOR), values: '_ _ 0 0 stale' },
      { series: started(COORDINATOR), values: '_ _ 2000 2000 stale' },
      { series: finished({ ...COORDINATOR, run: 'before' }), values: '0 1 stale' },
      { series: started({ ...COORDINATOR, run: 'before' }), values: '1000 1000 stale' },
    ],
    labels: COORDINATOR,
    // One has its result; one was stopped; one was there a moment ago; one was killed, and then finished in a second attempt.
    notBy: [
      { series: `up${braces({ instance: 'healthy', job: 'convoy' })}`, values: '1 1 0x20' },
      { series: finished(HEALTHY), values: '0 1 stale' },
      { series: started(HEALTHY), values: '1000 1000 stale' },
      { series: `up${braces({ instance: 'ended', job: 'convoy' })}`, values: '1 1 0x20' },
      { series: finished({ ...HEALTHY, instance: 'ended' }), values: '0 0 stale' },
      { series: `${STATE}${braces({ ...HEALTHY, instance: 'ended', state: 'stopped' })}`, values: '0 1 stale' },
      { series: started({ ...HEALTHY, instance: 'ended' }), values: '1000 1000 stale' },
      { series: `up${braces({ instance: 'nearly', job: 'convoy' })}`, values: '1x9 0' },
      { series: finished(NEARLY), values: '0x9 stale' },
      { series: started(NEARLY), values: '1000x9 stale' },
      { series: `up${braces({ instance: 'again', job: 'convoy' })}`, values: '1 1 1 1 0x20' },
      { series: finished({ ...HEALTHY, instance: 'again', run: 'first' }), values: '0 0 stale' },
      { series: started({ ...HEALTHY, instance: 'again', run: 'first' }), values: '1000 1000 stale' },
      { series: finished({ ...HEALTHY, instance: 'again', run: 'second' }), values: '_ _ 0 1 stale' },
      { series: started({ ...HEALTHY, instance: 'again', run: 'second' }), values: '_ _ 2000 2000 stale' },
    ],
  },
  {
    name: 'ConvoyNoWorkers',
    severity: 'critical',
    expr: `${STATE}{state="waiting"} == 1`,
    holds: '2m',
    summary: 'Run {{ $labels.run }} at {{ $labels.instance }} has no workers and waits.',
    meaning:
      'All workers left or were lost, or none has joined yet. Nothing is lost; the run continues when a worker joins.',
    remedy: [
      'Start workers: `npx convoy worker --join <address>`.',
      'If workers are running: their logs have the reason (address, version, another device).',
    ],
    ...gauge('run_state', '1', '0', { state: 'waiting' }),
  },
  {
    name: 'ConvoyStalled',
    severity: 'critical',
    expr: `changes(${fullName('step')}[2m]) == 0 and on (run, instance, job) ${STATE}{state="training"} == 1`,
    holds: '3m',
    summary:
      'Run {{ $labels.run }} at {{ $labels.instance }} has made no step for five minutes, although it has workers.',
    meaning: 'The workers are stuck, or a step takes longer than five minutes.',
    remedy: [
      '`npx convoy status` shows the workers, their states and leases.',
      'End a worker that stays busy without progress: its shards go to others, and the result stays the same.',
    ],
    raisedBy: [
      { series: `${fullName('step')}${braces(COORDINATOR)}`, values: '7x20' },
      { series: `${STATE}${braces({ ...COORDINATOR, state: 'training' })}`, values: '1x20' },
    ],
    labels: COORDINATOR,
    // One evaluates; the steps of another take three minutes; a third has just begun, at the step where one before it ended.
    notBy: [
      { series: `${fullName('step')}${braces(HEALTHY)}`, values: '7x20' },
      { series: `${STATE}${braces({ ...HEALTHY, state: 'training' })}`, values: '0x20' },
      { series: `${fullName('step')}${braces(NEARLY)}`, values: '1 2 2 2 3 3 3 4 4 4 4' },
      { series: `${STATE}${braces({ ...NEARLY, state: 'training' })}`, values: '1x20' },
      { series: `${fullName('step')}${braces({ ...HEALTHY, instance: 'again', run: 'first' })}`, values: '0x7 stale' },
      {
        series: `${STATE}${braces({ ...HEALTHY, instance: 'again', run: 'first', state: 'training' })}`,
        values: '0x7 stale',
      },
      { series: `${fullName('step')}${braces({ ...HEALTHY, instance: 'again', run: 'second' })}`, values: '_x8 0x20' },
      {
        series: `${STATE}${braces({ ...HEALTHY, instance: 'again', run: 'second', state: 'training' })}`,
        values: '_x8 1x20',
      },
    ],
  },
  {
    name: 'ConvoyNonfiniteGradients',
    severity: 'critical',
    expr: `increase(${fullName('nonfinite_gradients')}[5m]) > 0`,
    holds: '0m',
    summary: 'Run {{ $labels.run }} at {{ $labels.instance }} got gradients that are not finite or absurdly large.',
    meaning: 'The gradients were rejected; the weights are clean. The same gradient from two workers stops the run.',
    remedy: [
      'From one worker alone: its machine or memory is faulty; stop that worker.',
      'From several: lower the learning rate, clip the gradient (`--clip-norm`), and check the data.',
    ],
    ...counter('nonfinite_gradients'),
  },
  {
    name: 'ConvoyAuditMismatch',
    severity: 'critical',
    expr: `increase(${fullName('audits')}{outcome=~"mismatch|disputed"}[1h]) > 0`,
    holds: '0m',
    summary:
      'Run {{ $labels.run }} at {{ $labels.instance }}: an audit found different results for the same work ({{ $labels.outcome }}).',
    meaning:
      'A machine computes wrongly. On a mismatch a third worker decided which result is right; the weights are clean.',
    remedy: [
      '`convoy.log` names the worker. Stop it, and test the memory and the GPU of its machine.',
      'disputed: no two results were equal. Check that all machines are of the same kind.',
    ],
    ...counter('audits', { outcome: 'mismatch' }),
  },
  {
    name: 'ConvoyModelNotSaved',
    severity: 'critical',
    expr: `increase(${fullName('model_save_failures')}[10m]) > 0`,
    holds: '0m',
    summary: 'Run {{ $labels.run }} at {{ $labels.instance }} could not save a model.',
    meaning: 'The disk is full, read-only or gone. If the run ended now, its work would be lost.',
    remedy: ['Free disk space for the run directory; `convoy.log` has the exact error.'],
    ...counter('model_save_failures'),
  },
  {
    name: 'ConvoyCheckpointNotWritten',
    severity: 'critical',
    expr: `increase(${fullName('checkpoint_failures')}[10m]) > 0`,
    holds: '0m',
    summary: 'Run {{ $labels.run }} at {{ $labels.instance }} could not write a checkpoint.',
    meaning:
      'The disk is full, read-only or gone. The run goes on and tries again every ten seconds; earlier checkpoints stay. If the coordinator ' +
      'died now, the steps after them that are not in the step journal would be lost.',
    remedy: ['Free disk space for the run directory; `convoy.log` has the exact error.'],
    ...counter('checkpoint_failures'),
  },
  {
    name: 'ConvoyCheckpointOld',
    severity: 'critical',
    // A coordinator that goes on with a run finds an old checkpoint: then its own start counts.
    expr:
      `time() - (${CHECKPOINT} > ${STARTED} or ${STARTED}) > 3 * ${fullName('checkpoint_interval_seconds')} ` +
      `and on (run, instance, job) max without (state) (${STATE}{state=~"training|evaluating"}) == 1`,
    holds: '5m',
    summary:
      'The newest checkpoint of run {{ $labels.run }} at {{ $labels.instance }} is older than three of its intervals.',
    meaning:
      'The run trains and makes no checkpoint: the disk hangs, or each attempt fails. If the coordinator died now, the steps after the newest ' +
      'checkpoint that are not in the step journal would be lost. There is no alert when `--checkpoint-every` is not a time.',
    remedy: [
      '`convoy.log` has a line for each attempt that failed.',
      'If it has none, the disk hangs: check `dmesg` and the mount of the run directory.',
      'If writing takes longer than the interval (overview dashboard): use a longer `--checkpoint-every`.',
    ],
    ...checkpointOld(),
  },
  {
    name: 'ConvoyJournalNotWritten',
    severity: 'warning',
    expr: `increase(${fullName('journal_failures')}[10m]) > 0`,
    holds: '0m',
    summary: 'Run {{ $labels.run }} at {{ $labels.instance }} could not write its step journal.',
    meaning:
      'The disk is full, read-only or gone. The run goes on without a journal until its next checkpoint. If the coordinator died before that, ' +
      'steps after the newest checkpoint would be computed again.',
    remedy: ['Free disk space for the run directory; `convoy.log` has the exact error.'],
    ...counter('journal_failures'),
  },
  {
    name: 'ConvoyQuarantine',
    severity: 'warning',
    expr: `increase(${fullName('quarantines')}[10m]) > 0`,
    holds: '0m',
    summary: 'Run {{ $labels.run }} at {{ $labels.instance }} put a worker in quarantine: it failed too often.',
    meaning:
      'The worker crashed, sent bad results or lost an audit several times. It gets no work for a while; others do it.',
    remedy: ['The workers dashboard shows which worker it is; its log has the reason.'],
    ...counter('quarantines'),
  },
  {
    name: 'ConvoyResultsMalformed',
    severity: 'warning',
    expr: `increase(${fullName('results_refused')}{reason="malformed"}[10m]) > 0`,
    holds: '0m',
    summary: 'Run {{ $labels.run }} at {{ $labels.instance }} got results with a wrong checksum, shape or lease.',
    meaning: 'A link damages data, or a program that is no Convoy worker sends results. The results were rejected.',
    remedy: ['`convoy.log` names the worker and the reason. Check its network card, cable and version.'],
    ...counter('results_refused', { reason: 'malformed' }),
  },
  {
    name: 'ConvoyWorkersLeave',
    severity: 'warning',
    expr: `sum without (cause) (increase(${fullName('worker_departures')}[10m])) > 5`,
    holds: '0m',
    summary: 'Run {{ $labels.run }} at {{ $labels.instance }} lost more than five workers within ten minutes.',
    meaning: 'Workers crash, are killed (memory), or the network between them and the coordinator breaks.',
    remedy: ['The last lines of their logs have the reason; `dmesg` shows processes killed for lack of memory.'],
    ...workersLeave(),
  },
  {
    name: 'ConvoyStraggler',
    severity: 'warning',
    // The last ratio before a pause stays.
    expr: `${fullName('worker_straggler_ratio')} > 2 unless on (run, instance, job) ${STATE}{state="paused"} == 1`,
    holds: '5m',
    summary:
      'Worker {{ $labels.worker }} of run {{ $labels.run }} takes more than twice as long for a shard as the fastest one.',
    meaning: 'Convoy gives the worker less work, so this costs little; but its machine could do more.',
    remedy: ['Look for other load, a CPU limit, heat or slower hardware on its machine.'],
    ...straggler(),
  },
  {
    name: 'ConvoyWorkerSilent',
    severity: 'warning',
    expr: `avg_over_time(${fullName('worker_heartbeat_age_seconds')}[5m]) > 1`,
    holds: '1m',
    summary: 'Worker {{ $labels.worker }} of run {{ $labels.run }} sends its heartbeats late.',
    meaning:
      'A worker sends a heartbeat every 0.75 s and counts as lost after 3 s. The heartbeats of this worker are late again and again: its ' +
      'link loses packets, or its machine is overloaded.',
    remedy: ['Measure the link (`ping`), and check the event loop delay of the worker on the workers dashboard.'],
    ...gauge('worker_heartbeat_age_seconds', '1.5', '1', { worker: 'w' }),
  },
  {
    name: 'ConvoyGpuHot',
    severity: 'warning',
    expr: `${fullName('worker_gpu_temperature_celsius')}{component="coordinator"} > 85`,
    holds: '5m',
    summary: 'The GPU of worker {{ $labels.worker }} of run {{ $labels.run }} is at {{ $value }} °C.',
    meaning: 'A hot GPU slows down.',
    remedy: ['Check fans and air flow, or limit its power with nvidia-smi.'],
    ...gauge('worker_gpu_temperature_celsius', '90', '85', { worker: 'w' }),
  },
  {
    name: 'ConvoyCoordinatorBlocked',
    severity: 'warning',
    expr: `convoy_nodejs_eventloop_lag_p99_seconds{${SERVED}} > 0.5`,
    holds: '5m',
    summary: 'Run {{ $labels.run }}: the coordinator at {{ $labels.instance }} is blocked for half a second at a time.',
    meaning: 'Its thread is overloaded. Workers wait for it, and will soon treat it as lost.',
    remedy: [
      'Give the coordinator a core of its own: fewer workers on its machine, or another machine.',
      'If reduce or apply grew on the step time dashboard: use larger shards.',
    ],
    raisedBy: [{ series: `convoy_nodejs_eventloop_lag_p99_seconds${braces(COORDINATOR)}`, values: '0.6x20' }],
    labels: COORDINATOR,
    // A worker that is scraped too is no coordinator.
    notBy: [
      { series: `convoy_nodejs_eventloop_lag_p99_seconds${braces(HEALTHY)}`, values: '0.5x20' },
      { series: `convoy_nodejs_eventloop_lag_p99_seconds${braces(NEARLY)}`, values: `${JUST_NOW} 0.6` },
      { series: `convoy_nodejs_eventloop_lag_p99_seconds${braces(WORKER)}`, values: '0.6x20' },
    ],
  },
  {
    name: 'ConvoyDescriptorsRunOut',
    severity: 'warning',
    expr: `convoy_process_open_fds{${SERVED}} / convoy_process_max_fds{${SERVED}} > 0.8`,
    holds: '1m',
    summary: 'Run {{ $labels.run }}: the coordinator at {{ $labels.instance }} has used 80 % of its file descriptors.',
    meaning: 'When none is left, no worker can join and no file can be opened.',
    remedy: ['Raise the limit (`ulimit -n`), and check which clients connect.'],
    raisedBy: [
      { series: `convoy_process_open_fds${braces(COORDINATOR)}`, values: '90x20' },
      { series: `convoy_process_max_fds${braces(COORDINATOR)}`, values: '100x20' },
    ],
    labels: COORDINATOR,
    notBy: [
      { series: `convoy_process_open_fds${braces(HEALTHY)}`, values: '80x20' },
      { series: `convoy_process_max_fds${braces(HEALTHY)}`, values: '100x20' },
      { series: `convoy_process_open_fds${braces(NEARLY)}`, values: `${JUST_NOW} 90` },
      { series: `convoy_process_max_fds${braces(NEARLY)}`, values: '100x20' },
    ],
  },
]

type Tested = Pick<Alert, 'raisedBy' | 'labels' | 'notBy'>

/** A gauge that stays at one value; or at the other, or at the first only now. */
function gauge(name: MetricName, bad: string, good: string, labels: Record<string, string>): Tested {
  const of = (run: Record<string, string>): string => `${fullName(name)}${braces({ ...run, ...labels })}`
  return {
    raisedBy: [{ series: of(COORDINATOR), values: `${bad}x20` }],
    labels: { ...COORDINATOR, ...labels },
    notBy: [
      { series: of(HEALTHY), values: `${good}x20` },
      { series: of(NEARLY), values: `${JUST_NOW} ${bad}` },
    ],
  }
}

/** A worker is slow; or it is not, or only now, or its run is paused. */
function straggler(): Tested {
  const name = 'worker_straggler_ratio'
  const { raisedBy, labels, notBy } = gauge(name, '3', '2', { worker: 'w' })
  const paused = { ...HEALTHY, instance: 'paused' }
  return {
    raisedBy: [...raisedBy, { series: `${STATE}${braces({ ...COORDINATOR, state: 'paused' })}`, values: '0x20' }],
    labels,
    notBy: [
      ...notBy,
      { series: `${fullName(name)}${braces({ ...paused, worker: 'w' })}`, values: '3x20' },
      { series: `${STATE}${braces({ ...paused, state: 'paused' })}`, values: '1x20' },
    ],
  }
}

/** A counter that rises once, or does not; or that a run left higher than the next one at its address begins. */
function counter(name: MetricName, labels: Record<string, string> = {}): Tested {
  const of = (run: Record<string, string>): string => `${fullName(name)}${braces({ ...run, ...labels })}`
  return {
    raisedBy: [{ series: of(COORDINATOR), values: '0x7 1x20' }],
    labels: { ...COORDINATOR, ...labels },
    notBy: [
      { series: of(HEALTHY), values: '3x20' },
      { series: of({ ...HEALTHY, instance: 'again', run: 'first' }), values: '1x7 stale' },
      { series: of({ ...HEALTHY, instance: 'again', run: 'second' }), values: '_x8 2x20' },
    ],
  }
}

/** Some leave and some are lost, six a run in ten minutes; or five, in each of two runs. */
function workersLeave(): Tested {
  const of = (run: Record<string, string>, cause: string, perMinute: number): SeriesOfTest => ({
    series: `${fullName('worker_departures')}${braces({ ...run, cause })}`,
    values: `0+${perMinute}x20`,
  })
  return {
    raisedBy: [of(COORDINATOR, 'left', 0.3), of(COORDINATOR, 'lost', 0.3)],
    labels: COORDINATOR,
    notBy: [of(HEALTHY, 'left', 0.2), of(HEALTHY, 'lost', 0.3), of(NEARLY, 'left', 0), of(NEARLY, 'lost', 0.5)],
  }
}

/** Checkpoints are due every minute. promtool looks at second 600; at second 240 each may have been too old for its 5 minutes. */
function checkpointOld(): Tested {
  const of = (
    run: Record<string, string>,
    startSeconds: number,
    checkpoint: string,
    training = '1x20',
  ): SeriesOfTest[] => [
    { series: `${fullName('checkpoint_interval_seconds')}${braces(run)}`, values: '60x20' },
    { series: started(run), values: `${startSeconds}x20` },
    { series: `${CHECKPOINT}${braces(run)}`, values: checkpoint },
    { series: `${STATE}${braces({ ...run, state: 'training' })}`, values: training },
    { series: `${STATE}${braces({ ...run, state: 'evaluating' })}`, values: '0x20' },
  ]
  const at = (instance: string): Record<string, string> => ({ ...HEALTHY, instance })
  return {
    raisedBy: of(COORDINATOR, 0, '30x20'),
    labels: COORDINATOR,
    notBy: [
      // A checkpoint every minute; one that came late; a run that waits; one that went on a moment ago, with an old checkpoint.
      ...of(HEALTHY, 0, '0+60x20'),
      ...of(NEARLY, 0, '0x8 500x20'),
      ...of(at('waits'), 0, '30x20', '0x20'),
      ...of(at('resumed'), 300, '30x20'),
      // Checkpoints are not made by the clock.
      { series: started(at('by steps')), values: '0x20' },
      { series: `${CHECKPOINT}${braces(at('by steps'))}`, values: '30x20' },
      { series: `${STATE}${braces({ ...at('by steps'), state: 'training' })}`, values: '1x20' },
    ],
  }
}

function finished(labels: Readonly<Record<string, string>>): string {
  return `${STATE}${braces({ ...labels, state: 'finished' })}`
}

function started(labels: Readonly<Record<string, string>>): string {
  return `${STARTED}${braces(labels)}`
}

function braces(labels: Readonly<Record<string, string>>): string {
  return `{${Object.entries(labels)
    .map(([label, of]) => `${label}="${of}"`)
    .join(', ')}}`
}
