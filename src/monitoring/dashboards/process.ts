import type { Dashboard } from '../panels.js'
import { lines } from '../panels.js'
import { ofProcess, processRate } from '../queries.js'

export const PROCESS: Dashboard = {
  id: 'convoy-process',
  title: "Convoy: the coordinator's process",
  description: 'Does the coordinator itself have enough of everything?',
  hasWorkers: false,
  rows: [
    {
      title: 'Resources',
      panels: [
        lines(
          {
            title: 'CPU',
            description: 'Cores in use. Bad: 1 and more for long, when workers wait for it.',
            unit: 'none',
            limits: { warn: 0.8, bad: 1 },
          },
          { expr: processRate('process_cpu_user_seconds_total'), legend: 'user' },
          { expr: processRate('process_cpu_system_seconds_total'), legend: 'system' },
        ),
        lines(
          { title: 'Memory', description: 'Bad: it grows from epoch to epoch.', unit: 'bytes' },
          { expr: ofProcess('process_resident_memory_bytes'), legend: 'resident' },
          { expr: ofProcess('nodejs_heap_size_used_bytes'), legend: 'heap in use' },
          { expr: ofProcess('nodejs_external_memory_bytes'), legend: 'buffers' },
        ),
        lines(
          { title: 'Descriptors', description: 'Bad: open ones come near to the limit (ulimit -n).', unit: 'none' },
          { expr: ofProcess('process_open_fds'), legend: 'open' },
          { expr: ofProcess('process_max_fds'), legend: 'limit' },
        ),
      ],
    },
    {
      title: 'Node.js',
      panels: [
        lines(
          {
            title: 'Event loop delay',
            description: 'Bad: 99 % above 0.1 s; workers wait for answers as long.',
            unit: 's',
            limits: { warn: 0.1, bad: 0.5 },
          },
          { expr: ofProcess('nodejs_eventloop_lag_p50_seconds'), legend: 'median' },
          { expr: ofProcess('nodejs_eventloop_lag_p99_seconds'), legend: '99 %' },
        ),
        lines(
          {
            title: 'Garbage collection',
            description: 'Seconds per second, by kind. Bad: above 5 %.',
            unit: 'percentunit',
            limits: { warn: 0.05, bad: 0.1 },
          },
          { expr: `sum by (kind) (${processRate('nodejs_gc_duration_seconds_sum')})`, legend: '{{kind}}' },
        ),
      ],
    },
  ],
}
