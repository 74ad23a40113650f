import { metricsPage } from './metrics-page.js'

/** Files of the repository that are made from the definitions of metrics: content by path from the root. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([['docs/metrics.md', metricsPage()]])
}
