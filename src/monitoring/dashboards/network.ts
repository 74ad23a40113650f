import type { Dashboard } from '../panels.js'
import { lines, stack } from '../panels.js'
import { frequency, quantile, rate } from '../queries.js'

const BY_NETWORK = 'path="network"'
const BY_KIND = (direction: string): string =>
  `sum by (kind) (${rate('traffic_bytes', BY_NETWORK, `direction="${direction}"`)})`

export const NETWORK: Dashboard = {
  id: 'convoy-network',
  title: 'Convoy: network',
  description: 'What passes between coordinator and workers?',
  hasWorkers: true,
  rows: [
    {
      title: 'Bytes',
      panels: [
        stack(
          {
            title: 'Sent over the network',
            description: 'By the coordinator. Bad: at the limit of its link.',
            unit: 'Bps',
          },
          { expr: BY_KIND('sent'), legend: '{{kind}}' },
        ),
        stack(
          {
            title: 'Received over the network',
            description: 'By the coordinator. Bad: at the limit of its link.',
            unit: 'Bps',
          },
          { expr: BY_KIND('received'), legend: '{{kind}}' },
        ),
        stack(
          {
            title: 'Through shared memory',
            description: 'Workers on the same machine. Bad: nothing here although they are (--no-shared-memory).',
            unit: 'Bps',
          },
          {
            expr: `sum by (kind, direction) (${rate('traffic_bytes', 'path="memory"')})`,
            legend: '{{kind}} {{direction}}',
          },
        ),
        lines(
          {
            title: 'By worker',
            description: 'Results from each worker, weights and samples to it. Bad: one alone is slow.',
            unit: 'Bps',
          },
          { expr: rate('worker_traffic_bytes'), legend: '{{worker}} {{kind}}' },
        ),
      ],
    },
    {
      title: 'Calls',
      panels: [
        lines(
          {
            title: 'Calls that ended',
            description: 'Per second. Bad: codes other than OK and CANCELLED.',
            unit: 'ops',
          },
          { expr: frequency('rpc_duration_seconds', 'method, code'), legend: '{{method}} {{code}}' },
        ),
        lines(
          {
            title: 'Duration of calls, 99 %',
            description:
              'Streams (Work, Weights, Results) last as long as their worker takes part: short ones are bad.',
            unit: 's',
          },
          { expr: quantile(0.99, 'rpc_duration_seconds', 'method, '), legend: '{{method}}' },
        ),
      ],
    },
  ],
}
