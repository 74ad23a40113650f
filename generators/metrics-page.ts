import type { MetricDefinition, MetricName } from '../src/metrics/definitions.js'
import { fullName, METRICS } from '../src/metrics/definitions.js'
import { PHASE_MEANINGS } from '../src/metrics/phases.js'

/** docs/reference/metrics.md: every metric with its kind, labels and meaning. */
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

Every series has these labels too, so that one Prometheus may watch several runs, one after the other at the same address or at the
same time:

| label | meaning |
| --- | --- |
| \`run\` | the base name of the run directory, such as \`20261123T183000Z_quick\`; a worker's own metrics have it from its join on |
| \`component\` | \`coordinator\` or \`worker\`: the part that serves the series. Workers' metrics that are scraped from both must be summed over one of them |
| \`worker\` | only on a worker's own metrics: its name |

Sums keep \`run\` (and \`instance\`: runs of two machines that begin in the same second may have the same name). Values of labels have at
most 200 characters.

Names are in base units. Of workers, the first 256 have series of their own; their series vanish when they leave.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
${metrics.join('\n')}

## Phases of a step

\`convoy_phase_duration_seconds\` has them by \`role\` and \`phase\`. \`build\` occurs once for each kind of shard, the others at each step,
lease or shard.

| phase | on a worker | on the coordinator |
| --- | --- | --- |
${phases.join('\n')}
`
}
