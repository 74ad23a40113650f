import { stringify } from 'yaml'
import type { Alert } from './alerts.js'
import { ALERTS } from './alerts.js'

const GENERATED = '# Generated from generators/alerts.ts by `npm run generate`: change it there.\n'
/** When promtool looks. */
const CHECKED_AT = '10m'

/** Prometheus' rules file. */
export function alertRules(): string {
  const rules = ALERTS.map(({ name, severity, expr, holds, summary }) => ({
    alert: name,
    expr,
    for: holds,
    labels: { severity },
    annotations: { summary, runbook: runbookOf(name) },
  }))
  return GENERATED + stringify({ groups: [{ name: 'convoy', rules }] }, { lineWidth: 0 })
}

/**
 * Tests of the rules for `promtool test rules`: each alert raised for one run of several, and not raised.
 * @param rules path of the rules file
 */
export function alertRulesTest(rules: string): string {
  const tests = ALERTS.flatMap((alert) => {
    const { name, raisedBy, notBy } = alert
    return [
      { name: `${name} is raised for one run of several`, ...test(name, [...raisedBy, ...notBy], [expected(alert)]) },
      { name: `${name} is not raised`, ...test(name, notBy, []) },
    ]
  })
  return GENERATED + stringify({ rule_files: [rules], evaluation_interval: '1m', tests }, { lineWidth: 0 })
}

/** docs/reference/alerts.md: the runbook. */
export function alertsPage(): string {
  const alerts = ALERTS.map(
    ({ name, severity, expr, holds, meaning, remedy }) => `## ${name}

*${severity}*, ${holds === '0m' ? 'as soon as it holds' : `when it holds for ${holds}`}:

    ${expr}

${meaning}

${remedy.map((step) => `- ${step}`).join('\n')}
`,
  )
  return `# Alerts

<!-- Generated from generators/alerts.ts by \`npm run generate\`: change it there. -->

Prometheus raises them by \`deploy/monitoring/prometheus/alerts.yml\`; what each means, and what to do.

${alerts.join('\n')}`
}

function runbookOf(name: string): string {
  return `docs/reference/alerts.md#${name.toLowerCase()}`
}

function test(alertname: string, series: Alert['raisedBy'], exp_alerts: readonly object[]): object {
  return {
    interval: '1m',
    input_series: series.map(({ series, values }) => ({ series, values })),
    alert_rule_test: [{ eval_time: CHECKED_AT, alertname, exp_alerts }],
  }
}

/** With its labels filled in, as Prometheus does. */
function expected({ name, severity, summary, labels, raisedBy }: Alert): object {
  const filled = summary
    .replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? '')
    .replace('{{ $value }}', raisedBy[0]!.values.replace(/x.*/, ''))
  return { exp_labels: { severity, ...labels }, exp_annotations: { summary: filled, runbook: runbookOf(name) } }
}
