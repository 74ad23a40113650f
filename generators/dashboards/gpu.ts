import type { Dashboard } from '../panels.js'
import { lines } from '../panels.js'
import { value } from '../queries.js'

const BY_WORKER = '{{worker}}'

export const GPU: Dashboard = {
  id: 'convoy-gpu',
  title: 'Convoy: GPU',
  description: 'Are the GPUs busy and healthy? Empty where workers compute on CPUs.',
  hasWorkers: true,
  rows: [
    {
      title: 'GPUs by worker',
      panels: [
        lines(
          {
            title: 'Utilization',
            description: 'Below 70 % while training is bad. The step time dashboard shows which phase waits.',
            unit: 'percentunit',
          },
          { expr: value('worker_gpu_utilization_ratio'), legend: BY_WORKER },
        ),
        lines(
          { title: 'Memory', description: 'Memory in use close to the total is bad.', unit: 'bytes' },
          { expr: value('worker_gpu_memory_used_bytes'), legend: `${BY_WORKER} in use` },
          { expr: value('worker_gpu_memory_bytes'), legend: `${BY_WORKER} total` },
        ),
        lines(
          {
            title: 'Temperature',
            description: 'Above 85 °C is bad: GPUs slow down.',
            unit: 'celsius',
            limits: { warn: 80, bad: 85 },
          },
          { expr: value('worker_gpu_temperature_celsius'), legend: BY_WORKER },
        ),
        lines(
          {
            title: 'Power',
            description: 'Far below that of a similar GPU is bad: the GPU is throttled.',
            unit: 'watt',
          },
          { expr: value('worker_gpu_power_watts'), legend: BY_WORKER },
        ),
      ],
    },
  ],
}
