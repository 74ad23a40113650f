import type { Dashboard } from '../panels.js'
import { lines, stack } from '../panels.js'
import { frequency, quantile, rate, sumOfRates } from '../queries.js'

const OVER_NETWORK = 'path="network"'

export const NETWORK: Dashboard = {
  id: 'convoy-network',
  title: 'Convoy: network',
  description: 'How much data passes between the coordinator and its workers?',
  hasWorkers: true,
  rows: [
    {
      title: 'Bytes',
      panels: [
        stack(
          {
            title: 'Sent over the network',
            description: 'Bytes per second sent by the coordinator. A rate at the limit of its link is bad.',
            unit: 'Bps',
          },
          { expr: sumOfRates('traffic_bytes', 'kind', OVER_NETWORK, 'direction="sent"'), legend: '{{kind}}' },
        ),
        stack(
          {
            title: 'Received over the network',
            description: 'Bytes per second received by the coordinator. A rate at the limit of its link is bad.',
            unit: 'Bps',
          },
          { expr: sumOfRates('traffic_bytes', 'kind', OVER_NETWORK, 'direction="received"'), legend: '{{kind}}' },
        ),
        stack(
          {
            title: 'Through shared memory',
            description:
              'Bytes per second to and from workers on the same machine. 0 although there are some means --no-shared-memory.',
            unit: 'Bps',
          },
          {
            expr: sumOfRates('traffic_bytes', 'kind, direction', 'path="memory"'),
            legend: '{{kind}} {{direction}}',
          },
        ),
        lines(
          {
            title: 'By worker',
            description: 'Results from each worker; weights and samples to it. One slow worker points to its link.',
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
            title: 'Finished calls',
            description: 'gRPC calls per second. Codes other than OK and CANCELLED are bad.',
            unit: 'ops',
          },
          { expr: frequency('rpc_duration_seconds', 'method, code'), legend: '{{method}} {{code}}' },
        ),
        lines(
          {
            title: 'Call duration, 99th percentile',
            description:
              'Streams (Work, Weights, Results) last as long as their worker takes part; short ones are bad.',
            unit: 's',
          },
          { expr: quantile(0.99, 'rpc_duration_seconds', 'method'), legend: '{{method}}' },
        ),
      ],
    },
  ],
}
