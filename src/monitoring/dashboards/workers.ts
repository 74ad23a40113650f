import type { Dashboard } from '../panels.js'
import { lines } from '../panels.js'
import { rate, value } from '../queries.js'

const BY_WORKER = '{{worker}}'

export const WORKERS: Dashboard = {
  id: 'convoy-workers',
  title: 'Convoy: workers and stragglers',
  description: 'Who computes how much, who is slow, and who fails?',
  hasWorkers: true,
  rows: [
    {
      title: 'States and speed',
      panels: [
        {
          kind: 'states',
          title: 'States',
          description: 'Bad: suspect (silent), quarantined (failed too often), joining for long.',
          unit: 'none',
          width: 24,
          queries: [{ expr: `${value('worker_state')} == 1`, legend: '{{worker}} {{state}}' }],
        },
        lines(
          {
            title: 'Shards per second',
            description: 'What each worker computes. Even on equal machines; Convoy gives slow workers less.',
            unit: 'ops',
          },
          { expr: rate('worker_shards'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Images per second',
            description: 'Training images of each worker that counted. Bad: one far below the others of its kind.',
            unit: 'img/s',
          },
          { expr: rate('worker_samples'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Straggler score',
            description:
              'Time for a shard, relative to the fastest worker: 1 is the fastest. Bad: 2 and more for long.',
            unit: 'none',
            limits: { warn: 1.5, bad: 2 },
          },
          { expr: value('worker_straggler_ratio'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Heartbeat age',
            description: 'Since each worker was heard last. Bad: more than 1.5 s; after 3 s it is given up.',
            unit: 's',
            limits: { warn: 1.5, bad: 3 },
          },
          { expr: value('worker_heartbeat_age_seconds'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Leases',
            description: 'That each worker holds. Bad: 0 while the run trains and others have some.',
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
            title: 'Results refused',
            description: 'Per second, of each worker. Bad: one worker alone (its machine), or all (model or data).',
            unit: 'ops',
          },
          { expr: rate('worker_results_refused'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Shards taken away',
            description:
              'Per second. failed: the worker said so; bad_result: it cannot be right. Bad: the same worker again and again.',
            unit: 'ops',
          },
          { expr: rate('worker_shards_reissued'), legend: '{{worker}} {{reason}}' },
        ),
      ],
    },
    {
      title: 'The processes',
      panels: [
        lines(
          {
            title: 'Memory',
            description: 'Resident, of each process. Bad: it grows from epoch to epoch.',
            unit: 'bytes',
          },
          { expr: value('worker_resident_bytes'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Event loop standing still',
            description: 'The longest time between two heartbeats. Bad: 2 s, when others believe that it froze.',
            unit: 's',
            limits: { warn: 1, bad: 2 },
          },
          { expr: value('worker_event_loop_delay_seconds'), legend: BY_WORKER },
        ),
        lines(
          { title: 'Tensors', description: 'Held by TensorFlow.js. Bad: it grows (a leak).', unit: 'short' },
          { expr: value('worker_tensors'), legend: BY_WORKER },
        ),
        lines(
          { title: 'Bytes of tensors', description: 'Held by TensorFlow.js. Bad: it grows (a leak).', unit: 'bytes' },
          { expr: value('worker_tensor_bytes'), legend: BY_WORKER },
        ),
      ],
    },
  ],
}
