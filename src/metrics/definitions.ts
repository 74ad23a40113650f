import { PRECISIONS } from '../model/config/run-config.js'
import { REJECTION_CODES } from '../shared/rejection.js'
import { PHASE_BUCKETS, PHASES } from './phases.js'

export type MetricKind = 'counter' | 'gauge' | 'histogram'

/** Allowed values of a label. `open`: any value; Metrics limits its length, other code the number of values. */
export type LabelValues = readonly string[] | 'open'

export interface MetricDefinition {
  readonly kind: MetricKind
  readonly help: string
  readonly labels: Readonly<Record<string, LabelValues>>
  /** Of histograms: upper bounds, ascending. */
  readonly buckets?: readonly number[]
}

export const RUN_STATES = ['waiting', 'training', 'evaluating', 'paused', 'finished', 'stopped', 'failed'] as const
export const WORKER_STATES = [
  ...(['joining', 'syncing', 'ready', 'busy', 'suspect', 'quarantined', 'draining'] as const),
] as const
/** Reasons for giving shards to another worker: theirs was lost, could not compute them, or sent an invalid result. */
export const RETRIES = ['lost', 'failed', 'bad_result'] as const

const STEP_BUCKETS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30] as const
const RPC_BUCKETS = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3600] as const
const NONE = {} as const
const WORKER = { worker: 'open' } as const
const GPU = 'as nvidia-smi reports it for the GPU that the worker computes on.'

/**
 * Every metric of Convoy. The full name is `convoy_<key>`, and `convoy_<key>_total` for counters. Beside the labels here every series
 * has those of ConstantLabels. docs/reference/metrics.md, dashboards and alerts come from here or are checked against it.
 */
export const METRICS = {
  // The run
  run_info: gauge('Always 1; the labels describe the run.', {
    name: 'open',
    version: 'open',
    recipe: 'open',
    network: 'open',
    dataset: 'open',
    precision: PRECISIONS,
    seed: 'open',
  }),
  run_state: gauge('1 for the current state of the run, 0 for the other states.', { state: RUN_STATES }),
  step: gauge('Steps applied so far.'),
  planned_steps: gauge('Number of steps planned for the run.'),
  epoch: gauge('Epochs completed so far, with fraction.'),
  samples: counter('Training samples used.'),
  samples_per_second: gauge('Training samples per second over about the last 20 steps, evaluation excluded.'),
  seconds_left: gauge('Time for the steps that are left at convoy_samples_per_second, evaluation excluded.'),
  loss: gauge('Mean loss of the last batch, with label smoothing.'),
  accuracy_ratio: gauge('Accuracy on the last batch, 0 to 1.'),
  learning_rate: gauge('Learning rate of the last step.'),
  gradient_norm: gauge('L2 norm of the averaged gradient before clipping.'),
  nonfinite_gradients: counter('Gradients rejected because a value was NaN, infinite or absurdly large.'),
  step_duration_seconds: histogram('Duration of a step, from its first lease to its published weights.', STEP_BUCKETS),
  phase_duration_seconds: histogram(
    'Duration of each phase of a step, on the coordinator and over all workers (docs/reference/metrics.md explains the phases).',
    PHASE_BUCKETS,
    { role: ['coordinator', 'worker'] as const, phase: PHASES },
  ),
  evaluation_loss: gauge('Mean cross-entropy of the last evaluation. test: of the best weights.', {
    split: ['validation', 'test'] as const,
  }),
  evaluation_accuracy_ratio: gauge('Accuracy of the last evaluation, 0 to 1. test: of the best weights.', {
    split: ['validation', 'test'] as const,
  }),
  evaluation_duration_seconds: gauge('Duration of the last evaluation.', { split: ['validation', 'test'] as const }),

  // Membership and faults
  workers: gauge('Workers taking part now.'),
  worker_joins: counter('Workers that joined.'),
  worker_departures: counter(
    'Workers that left. left: on request. lost: their process died or their connection broke.',
    {
      cause: ['left', 'lost'] as const,
    },
  ),
  shards_reissued: counter('Shards taken from a lost or failed worker and given to another.', {
    reason: RETRIES,
  }),
  shards_rescued: counter('Shards computed a second time because their worker was late.'),
  results_refused: counter('Results that were rejected, by reason.', { reason: REJECTION_CODES }),
  quarantines: counter('Times that a worker was put in quarantine.'),
  audits: counter('Blocks computed twice and compared, by outcome.', {
    outcome: ['agreed', 'mismatch', 'unverified', 'disputed'] as const,
  }),

  // Each worker
  worker_state: gauge('1 for the current state of the worker, 0 for the other states.', {
    ...WORKER,
    state: WORKER_STATES,
  }),
  worker_shards: counter('Shards computed since the worker joined.', WORKER),
  worker_samples: counter('Training samples of the worker that were used.', WORKER),
  worker_straggler_ratio: gauge('Time per shard, divided by that of the fastest worker.', WORKER),
  worker_heartbeat_age_seconds: gauge('Time since the last heartbeat of the worker.', WORKER),
  worker_leases: gauge('Leases held by the worker.', WORKER),
  worker_results_refused: counter('Results of the worker that were rejected.', WORKER),
  worker_shards_reissued: counter('Shards of the worker that were given to another.', {
    ...WORKER,
    // `lost` is missing: a lost worker has no series.
    reason: ['failed', 'bad_result'] as const,
  }),
  worker_traffic_bytes: counter('Bytes sent to and received from the worker; of weights only those over the network.', {
    ...WORKER,
    kind: ['weights', 'results', 'samples'] as const,
    direction: ['sent', 'received'] as const,
  }),
  worker_resident_bytes: gauge('Resident memory of the worker process.', WORKER),
  worker_tensors: gauge('Tensors held by TensorFlow.js in the worker.', WORKER),
  worker_tensor_bytes: gauge('Bytes of the tensors held by TensorFlow.js in the worker.', WORKER),
  worker_event_loop_delay_seconds: gauge("Longest delay of the worker's event loop since the last heartbeat.", WORKER),
  worker_gpu_utilization_ratio: gauge(`Utilization, 0 to 1, ${GPU}`, WORKER),
  worker_gpu_memory_used_bytes: gauge(`Memory in use, ${GPU}`, WORKER),
  worker_gpu_memory_bytes: gauge(`Total memory, ${GPU}`, WORKER),
  worker_gpu_temperature_celsius: gauge(`Temperature, ${GPU}`, WORKER),
  worker_gpu_power_watts: gauge(`Power draw, ${GPU}`, WORKER),

  // The wire and the disk
  traffic_bytes: counter('Bytes between coordinator and workers, over the network or through shared memory.', {
    kind: ['weights', 'results', 'samples', 'control'] as const,
    direction: ['sent', 'received'] as const,
    path: ['network', 'memory'] as const,
  }),
  rpc_duration_seconds: histogram(
    'Duration of gRPC calls that ended. A stream lasts as long as its worker takes part.',
    RPC_BUCKETS,
    {
      method: [
        ...(['Join', 'Work', 'Weights', 'Results', 'Samples'] as const),
        ...(['Status', 'Stop', 'Pause', 'Continue', 'Checkpoint', 'Drain', 'other'] as const),
      ] as const,
      code: 'open',
    },
  ),
  saved_model_timestamp_seconds: gauge('Unix time of the last saved model.'),
  saved_model_bytes: gauge('Size of the last saved model.'),
  model_save_failures: counter('Models that could not be saved.'),
  checkpoint_step: gauge('Steps in the newest checkpoint.'),
  checkpoint_timestamp_seconds: gauge('Unix time of the newest checkpoint.'),
  checkpoint_interval_seconds: gauge('Time between checkpoints. Absent when they are not due by time.'),
  checkpoint_bytes: gauge('Size of the last checkpoint that this process wrote.'),
  checkpoint_duration_seconds: gauge(
    'Duration of writing the last checkpoint that this process wrote; the run goes on meanwhile.',
  ),
  checkpoint_failures: counter('Checkpoints that could not be written.'),
  coordinator_restarts: gauge('Times that `convoy train` restarted the coordinator of this run, since it was started.'),
  journal_bytes: gauge('Size of the step journal since the newest checkpoint. Absent without a journal.'),
  journal_failures: counter('Times that the step journal could not be written.'),
  report_records_lost: counter(
    'Records that a report such as metrics.jsonl lacks. While a disk is full they wait in memory, 64 MiB of them at most.',
    { report: 'open' },
  ),
} as const satisfies Record<string, MetricDefinition>

export type MetricName = keyof typeof METRICS
export type NameOf<Kind extends MetricKind> = {
  [Name in MetricName]: (typeof METRICS)[Name]['kind'] extends Kind ? Name : never
}[MetricName]

type ValueOf<Values> = Values extends readonly (infer Value extends string)[] ? Value : string
/** The labels of a metric, each with an allowed value. */
export type LabelsOf<Name extends MetricName> = {
  readonly [Label in keyof (typeof METRICS)[Name]['labels']]: ValueOf<(typeof METRICS)[Name]['labels'][Label]>
}

/** The name in Prometheus. */
export function fullName(name: MetricName): string {
  return METRICS[name].kind === 'counter' ? `convoy_${name}_total` : `convoy_${name}`
}

type Labels = MetricDefinition['labels']

function gauge(help: string): { kind: 'gauge'; help: string; labels: typeof NONE }
function gauge<const L extends Labels>(help: string, labels: L): { kind: 'gauge'; help: string; labels: L }
function gauge(help: string, labels: Labels = NONE) {
  return { kind: 'gauge', help, labels }
}

function counter(help: string): { kind: 'counter'; help: string; labels: typeof NONE }
function counter<const L extends Labels>(help: string, labels: L): { kind: 'counter'; help: string; labels: L }
function counter(help: string, labels: Labels = NONE) {
  return { kind: 'counter', help, labels }
}

interface Histogram<L> {
  kind: 'histogram'
  help: string
  buckets: readonly number[]
  labels: L
}
function histogram(help: string, buckets: readonly number[]): Histogram<typeof NONE>
function histogram<const L extends Labels>(help: string, buckets: readonly number[], labels: L): Histogram<L>
function histogram(help: string, buckets: readonly number[], labels: Labels = NONE) {
  return { kind: 'histogram', help, buckets, labels }
}
