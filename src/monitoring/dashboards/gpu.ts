import type { Dashboard } from '../panels.js'
import { lines } from '../panels.js'
import { value } from '../queries.js'

const BY_WORKER = '{{worker}}'

export const GPU: Dashboard = {
  id: 'convoy-gpu',
  title: 'Convoy: GPU',
  description: 'Are the GPUs busy, and are they well? Empty where workers compute on CPUs.',
  hasWorkers: true,
  rows: [
    {
      title: 'GPUs by worker',
      panels: [
        lines(
          {
            title: 'Utilisation',
            description: 'Bad: below 70 % while training. See which phase waits on the step time dashboard.',
            unit: 'percentunit',
          },
          { expr: value('worker_gpu_utilization_ratio'), legend: BY_WORKER },
        ),
        lines(
          { title: 'Memory', description: 'Bad: in use comes near to what there is.', unit: 'bytes' },
          { expr: value('worker_gpu_memory_used_bytes'), legend: `${BY_WORKER} in use` },
          { expr: value('worker_gpu_memory_bytes'), legend: `${BY_WORKER} in all` },
        ),
        lines(
          {
            title: 'Temperature',
            description: 'Bad: above 85 °C, where GPUs slow down.',
            unit: 'celsius',
            limits: { warn: 80, bad: 85 },
          },
          { expr: value('worker_gpu_temperature_celsius'), legend: BY_WORKER },
        ),
        lines(
          { title: 'Power', description: 'Bad: far below that of equal GPUs beside it (throttled).', unit: 'watt' },
          { expr: value('worker_gpu_power_watts'), legend: BY_WORKER },
        ),
      ],
    },
  ],
}
