import type { Dashboard } from '../panels.js'
import { lines, stateTimeline } from '../panels.js'
import { rate, value } from '../queries.js'
import { WORKER_STATE } from '../states.js'

const BY_WORKER = '{{worker}}'

export const WORKERS: Dashboard = {
  id: 'convoy-workers',
  title: 'Convoy: workers and stragglers',
  description: 'How much does each worker compute, which are slow, and which fail?',
  hasWorkers: true,
  rows: [
    {
      title: 'States and speed',
      panels: [
        stateTimeline(
          {
            title: 'States of the workers',
            description:
              'A row for each worker; it ends when the worker leaves. suspect (silent), quarantined (failed too often) and a long joining are bad.',
            unit: 'none',
          },
          WORKER_STATE,
          BY_WORKER,
        ),
        lines(
          {
            title: 'Shards per second',
            description: 'Shards computed by each worker. Slow workers get fewer; similar machines should be equal.',
            unit: 'ops',
          },
          { expr: rate('worker_shards'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Images per second',
            description: 'Training images of each worker that were used. A worker far below similar ones is bad.',
            unit: 'img/s',
          },
          { expr: rate('worker_samples'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Straggler score',
            description: 'Time per shard, divided by that of the fastest worker. 2 or more for a long time is bad.',
            unit: 'none',
            limits: { warn: 1.5, bad: 2 },
          },
          { expr: value('worker_straggler_ratio'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Heartbeat age',
            description: 'Time since the last heartbeat. More than 1.5 s is bad; after 3 s the worker counts as lost.',
            unit: 's',
            limits: { warn: 1.5, bad: 3 },
          },
          { expr: value('worker_heartbeat_age_seconds'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Leases',
            description: 'Leases held by each worker. 0 is bad while the run trains and other workers hold some.',
            unit: 'none',
          },
          { expr: value('worker_leases'), legend: BY_WORKER },
        ),
      ],
    },
    {
      title: 'Faults',
      panels: [
        lines(
          {
            title: 'Rejected results',
            description:
              'Results per second. One worker alone points to its machine, all workers to the model or the data.',
            unit: 'ops',
          },
          { expr: rate('worker_results_refused'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Reissued shards',
            description:
              'Shards per second. failed: the worker reported an error. bad_result: its result was invalid. Many from one worker are bad.',
            unit: 'ops',
          },
          { expr: rate('worker_shards_reissued'), legend: '{{worker}} {{reason}}' },
        ),
      ],
    },
    {
      title: 'Processes',
      panels: [
        lines(
          {
            title: 'Memory',
            description: 'Resident memory of each process. Growth from epoch to epoch is bad.',
            unit: 'bytes',
          },
          { expr: value('worker_resident_bytes'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Event loop delay',
            description: 'Longest delay between two heartbeats. 2 s or more is bad: the worker looks frozen.',
            unit: 's',
            limits: { warn: 1, bad: 2 },
          },
          { expr: value('worker_event_loop_delay_seconds'), legend: BY_WORKER },
        ),
        lines(
          { title: 'Tensors', description: 'Tensors held by TensorFlow.js. Growth is bad: a leak.', unit: 'short' },
          { expr: value('worker_tensors'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Tensor memory',
            description: 'Bytes of the tensors held by TensorFlow.js. Growth is bad: a leak.',
            unit: 'bytes',
          },
          { expr: value('worker_tensor_bytes'), legend: BY_WORKER },
        ),
      ],
    },
  ],
}
