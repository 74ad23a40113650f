import { alertRules, alertRulesTest, alertsPage } from './alert-rules.js'
import { apiPage } from './api-page.js'
import { configurationPage } from './configuration-page.js'
import { DASHBOARDS } from './dashboards.js'
import { errorsPage } from './errors-page.js'
import { grafanaDashboard } from './grafana-dashboard.js'
import { layersPage } from './layers-page.js'
import { metricsFilePage } from './metrics-file-page.js'
import { metricsPage } from './metrics-page.js'

/** Files of the repository that are generated from definitions in src and generators: content by path from the root. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/reference/api.md', apiPage()],
    ['docs/reference/configuration.md', configurationPage()],
    ['docs/reference/errors.md', errorsPage()],
    ['docs/reference/layers.md', layersPage()],
    ['docs/reference/metrics.md', metricsPage()],
    ['docs/reference/metrics-jsonl.md', metricsFilePage()],
    ['docs/reference/alerts.md', alertsPage()],
    ['deploy/monitoring/prometheus/alerts.yml', alertRules()],
    ['deploy/monitoring/prometheus/alerts.test.yml', alertRulesTest('alerts.yml')],
    ...DASHBOARDS.map(
      (dashboard) =>
        [
          `deploy/monitoring/grafana/dashboards/${dashboard.id}.json`,
          `${JSON.stringify(grafanaDashboard(dashboard), undefined, 2)}\n`,
        ] as const,
    ),
  ])
}
