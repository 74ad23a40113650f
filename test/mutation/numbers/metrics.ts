import type { NumberMutation } from '../mutation.js'

const RUN = { file: 'reporting/sinks/prometheus-metrics.js', tests: ['unit/metrics/metrics'] }
const EXPORT = { file: 'metrics/metrics.js', tests: ['unit/metrics/metrics'] }
const PHASES = { file: 'metrics/phases.js', tests: ['unit/metrics/metrics'] }
const GPU = { file: 'worker/gpu-readings.js', tests: ['unit/metrics/metrics'] }

/** Prometheus: limits, units and labels. */
export const METRICS: readonly NumberMutation[] = [
  {
    ...PHASES,
    name: 'a time equal to a limit counts in the next bucket',
    find: 'seconds > PHASE_BUCKETS[bucket]',
    replace: 'seconds >= PHASE_BUCKETS[bucket]',
  },
  {
    ...PHASES,
    name: 'the mean of a phase uses its first bucket only',
    find: 'counts.reduce((sum, count) => sum + count, 0)',
    replace: 'counts[0]',
  },
  {
    ...EXPORT,
    name: 'the limits of the phases are one bucket early',
    find: "PHASE_BUCKETS[bucket] ?? '+Inf'",
    replace: "PHASE_BUCKETS[bucket - 1] ?? (bucket === 0 ? 0 : '+Inf')",
  },
  {
    ...EXPORT,
    name: 'the buckets of the phases are not cumulative',
    find: 'value: (below += count) }',
    replace: 'value: ((below += count), count) }',
  },
  {
    ...RUN,
    name: 'samples are counted as steps',
    find: "metrics.increase('samples', {}, this.#batchSize);",
    replace: "metrics.increase('samples', {}, 1);",
  },
  {
    ...RUN,
    name: 'the duration of a step is in milliseconds',
    find: 'event.durationMs / 1000',
    replace: 'event.durationMs',
  },
  {
    ...RUN,
    name: 'the duration of an evaluation is in milliseconds',
    find: "metrics.set('evaluation_duration_seconds', { split }, durationMs / 1000);",
    replace: "metrics.set('evaluation_duration_seconds', { split }, durationMs);",
  },
  {
    ...RUN,
    name: 'the accuracy of an evaluation is its loss',
    find: "metrics.set('evaluation_accuracy_ratio', { split }, accuracy);",
    replace: "metrics.set('evaluation_accuracy_ratio', { split }, loss);",
  },
  {
    ...RUN,
    name: 'the time of a checkpoint is its step',
    find: "this.#metrics.set('checkpoint_timestamp_seconds', {}, writtenSeconds);",
    replace: "this.#metrics.set('checkpoint_timestamp_seconds', {}, step);",
  },
  {
    ...RUN,
    name: 'the duration of writing a checkpoint is its size',
    find: "this.#metrics.set('checkpoint_duration_seconds', {}, seconds);",
    replace: "this.#metrics.set('checkpoint_duration_seconds', {}, bytes);",
  },
  {
    ...RUN,
    name: 'the phases reduce and apply are swapped',
    find: 'event.phaseSeconds[phase]',
    replace: "event.phaseSeconds[phase === 'reduce' ? 'apply' : phase === 'apply' ? 'reduce' : phase]",
  },
  {
    ...RUN,
    file: 'coordinator/member.js',
    name: 'the age of a heartbeat is in milliseconds',
    find: 'silentMs / 1000',
    replace: 'silentMs',
  },
  {
    ...RUN,
    name: 'sent weights are counted as received results',
    find: "kind: 'results', direction: 'received' }, value: trafficBytes.results }",
    replace: "kind: 'results', direction: 'received' }, value: trafficBytes.weights }",
  },
  {
    ...RUN,
    name: 'all shards of a lost worker are counted as one',
    find: '{ reason: event.cause }, event.shards)',
    replace: '{ reason: event.cause }, 1)',
  },
  {
    ...RUN,
    name: 'a lost worker is counted as one that left',
    find: "event.reason === LEFT_ON_REQUEST ? 'left' : 'lost'",
    replace: "event.reason === LEFT_ON_REQUEST ? 'lost' : 'left'",
  },
  {
    ...RUN,
    name: 'results that are not finite are counted as malformed',
    find: "event.code ?? 'malformed'",
    replace: "'malformed'",
  },
  {
    ...GPU,
    name: 'the utilisation of a GPU is in percent',
    find: 'Math.min(1, utilization / 100)',
    replace: 'utilization',
  },
  {
    ...GPU,
    name: 'the memory of a GPU is in units of a million bytes',
    find: 'memoryUsed * MEBIBYTE',
    replace: 'memoryUsed * 1e6',
  },
]
