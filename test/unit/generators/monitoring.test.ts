import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import type { MetricName } from '../../../src/metrics/definitions.js'
import { fullName, METRICS } from '../../../src/metrics/definitions.js'
import { Metrics } from '../../../src/metrics/metrics.js'
import { ALERTS } from '../../../generators/alerts.js'
import { DASHBOARDS } from '../../../generators/dashboards.js'
import { generatedFiles } from '../../../generators/generated-files.js'
import { grafanaDashboard } from '../../../generators/grafana-dashboard.js'
import { packageRoot } from '../../../src/shared/package-root.js'

const monitoring = path.join(packageRoot, 'deploy', 'monitoring')
const panels = DASHBOARDS.flatMap(({ rows }) => rows.flatMap((row) => row.panels))
const expressions = panels.flatMap(({ queries }) => queries.map(({ expr }) => expr))

/** See ConstantLabels. */
const OF_EVERY_SERIES = ['run', 'component']

/** Metrics of prom-client. */
const OF_PROCESS = /^convoy_(process|nodejs)_/

/** Names of metrics in PromQL, histograms without suffixes such as `_bucket`. */
function metricsIn(expr: string): string[] {
  const names = expr.match(/\bconvoy_\w+/g) ?? []
  return names
    .map((name) => name.replace(/(_seconds)_(bucket|sum|count)$/, '$1'))
    .filter((name) => !OF_PROCESS.test(name))
}

describe('dashboards and alerts', () => {
  const defined = new Map((Object.keys(METRICS) as MetricName[]).map((name) => [fullName(name), name]))

  it('query only metrics that the code defines', () => {
    for (const expr of [...expressions, ...ALERTS.map((alert) => alert.expr)])
      for (const name of metricsIn(expr)) assert.ok(defined.has(name), `${name} in ${expr}`)
  })

  it('query only process metrics that prom-client exports', async () => {
    const { text } = await new Metrics(() => 0, { component: 'coordinator' }).render()
    for (const expr of [...expressions, ...ALERTS.map((alert) => alert.expr)])
      for (const [name] of expr.matchAll(/\bconvoy_(?:process|nodejs)_\w+/g))
        assert.ok(text.includes(`# TYPE ${name.replace(/_sum$/, '')} `), `${name} in ${expr}`)
  })

  it('match only labels and label values that the metrics have', () => {
    for (const expr of [...expressions, ...ALERTS.map((alert) => alert.expr)]) {
      for (const [, full, matchers] of expr.matchAll(/\b(convoy_\w+)\{([^}]*)\}/g)) {
        const name = defined.get(metricsIn(full!)[0] ?? '')
        if (name === undefined) continue
        const labels: Readonly<Record<string, readonly string[] | 'open'>> = METRICS[name].labels
        for (const [, label, operator, wanted] of matchers!.matchAll(/(\w+)(=~|=)"([^"]*)"/g)) {
          if (['instance', 'job', ...OF_EVERY_SERIES].includes(label!)) continue
          const values = labels[label!]
          assert.ok(values !== undefined, `${full} has no label ${label}`)
          if (values === 'open') continue
          const named = operator === '=~' ? wanted!.split('|') : [wanted!]
          for (const one of named) assert.ok(values.includes(one), `${label} of ${full} is never ${one}`)
        }
      }
    }
  })

  it('separate runs in every selector, sum and match', () => {
    for (const expr of expressions) {
      for (const [selected] of expr.matchAll(/\bconvoy_\w+(\{[^}]*\})?/g))
        assert.ok(selected.includes('run=~"$run", component="coordinator"'), `${selected} in ${expr}`)
    }
    for (const expr of [...expressions, ...ALERTS.map((alert) => alert.expr)]) {
      for (const [, labels] of expr.matchAll(/\b(?:sum|avg|max|min|count) by \(([^)]*)\)/g))
        assert.ok(labels!.split(', ').includes('run'), expr)
      assert.doesNotMatch(expr, /\b(sum|avg|max|min|count|topk) \(/, 'a sum over all runs')
    }
    for (const { name, summary, labels } of ALERTS) {
      assert.ok(summary.includes('{{ $labels.run }}'), name)
      assert.ok('run' in labels, name)
    }
  })

  it('show every metric on a panel', () => {
    const shown = new Set(expressions.flatMap(metricsIn))
    assert.deepEqual(
      [...defined.keys()].filter((name) => !shown.has(name)),
      [],
    )
  })

  it('have panels without overlap, each with its own title and a description', () => {
    for (const dashboard of DASHBOARDS) {
      const model = grafanaDashboard(dashboard)
      const cells = new Set<string>()
      for (const { title, description, gridPos, type } of model.panels as unknown as GrafanaPanel[]) {
        if (type !== 'row') assert.ok(description !== undefined && description.length > 10, title)
        assert.ok(gridPos.x + gridPos.w <= 24, title)
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            assert.ok(!cells.has(`${x} ${y}`), `${title} lies over another panel`)
            cells.add(`${x} ${y}`)
          }
      }
    }
    for (const { id, rows } of DASHBOARDS) {
      const titles = rows.flatMap((row) => row.panels.map(({ title, kind }) => `${title} ${kind}`))
      assert.equal(new Set(titles).size, titles.length, id)
    }
  })

  it('are in the repository as the code generates them', () => {
    for (const [name, content] of generatedFiles())
      assert.equal(readFileSync(path.join(packageRoot, name), 'utf8'), content, `${name}: npm run generate`)
  })

  it(
    'pass promtool: rules, their tests, and the configuration',
    { skip: spawnSync('promtool', ['--version']).status !== 0 && 'promtool is not installed' },
    () => {
      const options = { cwd: path.join(monitoring, 'prometheus'), encoding: 'utf8' } as const
      assert.match(execFileSync('promtool', ['check', 'rules', 'alerts.yml'], options), /SUCCESS: \d+ rules found/)
      assert.match(execFileSync('promtool', ['test', 'rules', 'alerts.test.yml'], options), /SUCCESS/)
      const { status, stderr } = spawnSync('promtool', ['check', 'config', 'prometheus.yml'], options)
      // The configuration expects the targets in the same directory.
      assert.equal(status, 0, stderr)
    },
  )

  it('have a runbook for each alert', () => {
    const page = readFileSync(path.join(packageRoot, 'docs', 'reference', 'alerts.md'), 'utf8')
    for (const { name } of ALERTS) assert.match(page, new RegExp(`^## ${name}$`, 'm'))
  })
})

describe('deploy/monitoring', () => {
  interface Compose {
    services: Record<string, { volumes: string[]; ports: string[]; environment?: Record<string, string> }>
    volumes: Record<string, unknown>
  }
  const compose = parse(readFileSync(path.join(monitoring, 'compose.yaml'), 'utf8')) as Compose

  it('mounts files that exist, and volumes that it declares', () => {
    for (const { volumes } of Object.values(compose.services)) {
      for (const mount of volumes) {
        for (const targets of ['host', 'compose']) {
          const source = mount.replace('${CONVOY_TARGETS:-host}', targets).split(':')[0]!
          assert.ok(
            source.startsWith('.') ? existsSync(path.join(monitoring, source)) : source in compose.volumes,
            source,
          )
        }
      }
    }
  })

  it('opens its ports to this machine only', () => {
    for (const { ports } of Object.values(compose.services))
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:/)
  })

  it('provisions the data source and the mounted directory of dashboards', () => {
    const read = (name: string): string => readFileSync(path.join(monitoring, 'grafana', 'provisioning', name), 'utf8')
    const { datasources } = parse(read('datasources/prometheus.yml')) as { datasources: { url: string }[] }
    assert.equal(datasources[0]!.url, 'http://prometheus:9090')
    const { providers } = parse(read('dashboards/convoy.yml')) as { providers: { options: { path: string } }[] }
    const mounts = compose.services['grafana']!.volumes.map((mount) => mount.split(':')[1])
    assert.ok(mounts.includes(providers[0]!.options.path))
    const home = compose.services['grafana']!.environment!['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH']!
    assert.ok(existsSync(path.join(monitoring, 'grafana', 'dashboards', path.basename(home))))
  })
})

interface GrafanaPanel {
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
}
