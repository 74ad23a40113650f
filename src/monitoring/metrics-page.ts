import type { MetricDefinition, MetricName } from '../metrics/definitions.js'
import { fullName, METRICS } from '../metrics/definitions.js'
import { PHASE_MEANINGS } from '../metrics/phases.js'

/** docs/metrics.md: every metric with its kind, labels and meaning. */
export function metricsPage(): string {
  const metrics = (Object.keys(METRICS) as MetricName[]).map((name) => {
    const { kind, labels, help }: MetricDefinition = METRICS[name]
    const values = Object.entries(labels).map(([label, of]) =>
      of === 'open' ? `\`${label}\`` : `\`${label}\`: ${of.join(', ')}`,
    )
    return `| \`${fullName(name)}\` | ${kind} | ${values.join('; ')} | ${help} |`
  })
  const phases = Object.entries(PHASE_MEANINGS).map(
    ([phase, { worker, coordinator }]) => `| \`${phase}\` | ${worker ?? ''} | ${coordinator ?? ''} |`,
  )
  return `# Metrics

<!-- Generated from src/metrics by \`npm run generate\`: change it there. -->

The coordinator serves its own metrics and those of all its workers at \`--metrics-listen\` (\`/metrics\`); workers report with
their heartbeats. A worker serves its own too when it gets \`--metrics-listen\`. Beside the metrics below there are those of the
process: \`convoy_process_…\` (CPU time, memory, descriptors) and \`convoy_nodejs_…\` (event loop, garbage collection, heap).

Names are in base units. Of workers, the first 256 have series of their own; their series vanish when they leave.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
${metrics.join('\n')}

## Phases of a step

\`convoy_phase_duration_seconds\` tells them apart by \`role\` and \`phase\`. \`build\` comes once for each kind of shard, the others at each step,
lease or shard.

| phase | on a worker | on the coordinator |
| --- | --- | --- |
${phases.join('\n')}
`
}
