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
            title: 'Step',
            description:
              'From the first lease to the published weights. Bad: the 99th percentile far above the median.',
            unit: 's',
          },
          { expr: quantile(0.5, 'step_duration_seconds'), legend: 'median' },
          { expr: quantile(0.9, 'step_duration_seconds'), legend: '90 %' },
          { expr: quantile(0.99, 'step_duration_seconds'), legend: '99 %' },
        ),
        {
          kind: 'heat',
          title: 'Steps by duration',
          description: 'Bad: two bands (some steps wait for somebody), or a band that climbs.',
          unit: 's',
          width: 12,
          queries: [{ expr: buckets('step_duration_seconds'), legend: '{{le}}' }],
        },
      ],
    },
    {
      title: 'Phases (docs/metrics.md says what each is)',
      panels: [
        stack(
          {
            title: 'Coordinator',
            description:
              'Seconds per second. Mostly wait is right: the workers compute. Bad: reduce, apply and publish grow.',
            unit: 'percentunit',
          },
          { expr: busy('phase_duration_seconds', 'phase', COORDINATOR), legend: '{{phase}}' },
        ),
        stack(
          {
            title: 'Workers',
            description:
              'Seconds per second, of all workers: the top is their number. Mostly forward_backward is right. Bad: wait grows.',
            unit: 'none',
          },
          { expr: busy('phase_duration_seconds', 'phase', OF_WORKERS), legend: '{{phase}}' },
        ),
        lines(
          { title: 'Mean of each phase, coordinator', description: 'Bad: one that jumps.', unit: 's' },
          { expr: mean('phase_duration_seconds', 'phase', COORDINATOR), legend: '{{phase}}' },
        ),
        lines(
          { title: 'Mean of each phase, workers', description: 'Bad: one that jumps.', unit: 's' },
          { expr: mean('phase_duration_seconds', 'phase', OF_WORKERS), legend: '{{phase}}' },
        ),
      ],
    },
  ],
}
