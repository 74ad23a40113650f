import type { Dashboard } from '../panels.js'
import { lines, stack } from '../panels.js'
import { buckets, busy, mean, quantile } from '../queries.js'

const COORDINATOR = 'role="coordinator"'
const OF_WORKERS = 'role="worker"'

export const STEP_TIME: Dashboard = {
  id: 'convoy-step-time',
  title: 'Convoy: step time',
  description: 'Where does the time of a step go?',
  hasWorkers: false,
  rows: [
    {
      title: 'Steps',
      panels: [
        lines(
          {
            title: 'Step duration',
            description:
              'From the first lease to the published weights. A 99th percentile far above the median is bad.',
            unit: 's',
          },
          { expr: quantile(0.5, 'step_duration_seconds'), legend: 'median' },
          { expr: quantile(0.9, 'step_duration_seconds'), legend: '90th percentile' },
          { expr: quantile(0.99, 'step_duration_seconds'), legend: '99th percentile' },
        ),
        {
          kind: 'heat',
          title: 'Steps by duration',
          description: 'Two bands are bad: some steps wait for a slow worker. So is a band that climbs.',
          unit: 's',
          width: 12,
          queries: [{ expr: buckets('step_duration_seconds'), legend: '{{le}}' }],
        },
      ],
    },
    {
      title: 'Phases (explained in docs/reference/metrics.md)',
      panels: [
        stack(
          {
            title: 'Coordinator',
            description:
              'Share of the time in each phase. Mostly wait is good: the workers compute. Growing reduce, apply or publish is bad.',
            unit: 'percentunit',
          },
          { expr: busy('phase_duration_seconds', 'phase', COORDINATOR), legend: '{{phase}}' },
        ),
        stack(
          {
            title: 'Workers',
            description:
              'Workers in each phase; the total is the number of workers. Mostly forward_backward is good. Growing wait is bad.',
            unit: 'none',
          },
          { expr: busy('phase_duration_seconds', 'phase', OF_WORKERS), legend: '{{phase}}' },
        ),
        lines(
          {
            title: 'Mean duration of each phase, coordinator',
            description: 'A jump is bad.',
            unit: 's',
          },
          { expr: mean('phase_duration_seconds', 'phase', COORDINATOR), legend: '{{phase}}' },
        ),
        lines(
          {
            title: 'Mean duration of each phase, workers',
            description: 'A jump is bad.',
            unit: 's',
          },
          { expr: mean('phase_duration_seconds', 'phase', OF_WORKERS), legend: '{{phase}}' },
        ),
      ],
    },
  ],
}
