import type { Dashboard } from '../panels.js'
import { lines } from '../panels.js'
import { ofProcess, processRate } from '../queries.js'

export const PROCESS: Dashboard = {
  id: 'convoy-process',
  title: 'Convoy: coordinator process',
  description: 'Does the coordinator have enough CPU, memory and descriptors?',
  hasWorkers: false,
  rows: [
    {
      title: 'Resources',
      panels: [
        lines(
          {
            title: 'CPU',
            description: 'Cores in use. 1 or more for a long time is bad: workers wait for the coordinator.',
            unit: 'none',
            limits: { warn: 0.8, bad: 1 },
          },
          { expr: processRate('process_cpu_user_seconds_total'), legend: 'user' },
          { expr: processRate('process_cpu_system_seconds_total'), legend: 'system' },
        ),
        lines(
          { title: 'Memory', description: 'Growth from epoch to epoch is bad.', unit: 'bytes' },
          { expr: ofProcess('process_resident_memory_bytes'), legend: 'resident' },
          { expr: ofProcess('nodejs_heap_size_used_bytes'), legend: 'heap in use' },
          { expr: ofProcess('nodejs_external_memory_bytes'), legend: 'buffers' },
        ),
        lines(
          {
            title: 'File descriptors',
            description: 'A number of open descriptors close to the limit (ulimit -n) is bad.',
            unit: 'none',
          },
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
            description: 'A 99th percentile above 0.1 s is bad: workers wait that long for answers.',
            unit: 's',
            limits: { warn: 0.1, bad: 0.5 },
          },
          { expr: ofProcess('nodejs_eventloop_lag_p50_seconds'), legend: 'median' },
          { expr: ofProcess('nodejs_eventloop_lag_p99_seconds'), legend: '99th percentile' },
        ),
        lines(
          {
            title: 'Garbage collection',
            description: 'Share of the time, by kind. Above 5 % is bad.',
            unit: 'percentunit',
            limits: { warn: 0.05, bad: 0.1 },
          },
          { expr: processRate('nodejs_gc_duration_seconds_sum', 'kind'), legend: '{{kind}}' },
        ),
      ],
    },
  ],
}
