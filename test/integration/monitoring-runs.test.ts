import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { closeSlowLinks, slowLink } from '../support/slow-link.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'
import { freePort } from '../support/free-port.js'
import { killLaunches, Launch } from '../support/launch.js'

const monitoring = path.join(packageRoot, 'deploy', 'monitoring')
const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-two-runs-'))
const WORKERS = ['first', 'second']

interface Target {
  readonly expr: string
  readonly legendFormat: string
}
interface Panel {
  readonly title: string
  readonly type: string
  readonly repeat?: string
  readonly targets?: readonly Target[]
  readonly fieldConfig?: {
    readonly defaults: {
      readonly mappings?: readonly { readonly options: Record<string, { text: string; color: string }> }[]
    }
  }
}
interface Dashboard {
  readonly title: string
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] }
  readonly annotations?: { readonly list: readonly { readonly name: string; readonly expr: string }[] }
}
interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
  readonly values: readonly (readonly [number, string])[]
}

/** The dashboards as Grafana loads them. */
const dashboards = readdirSync(path.join(monitoring, 'grafana', 'dashboards')).map(
  (file) => JSON.parse(readFileSync(path.join(monitoring, 'grafana', 'dashboards', file), 'utf8')) as Dashboard,
)
/** Series that need a GPU, or the saved model at the end of a run. */
const isAbsent = (expr: string): boolean => /worker_gpu_|saved_model_/.test(expr)

/** The query that Grafana sends with these runs chosen. */
function concrete(expr: string, run: string): string {
  const variables = { run, worker: '.+', __rate_interval: '10s', __interval: '1s' }
  return expr.replace(/\$(\w+)/g, (_, name: keyof typeof variables) => variables[name])
}

function legendOf({ legendFormat }: Target, { metric }: Series): string {
  return legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? '')
}

describe('two runs in one Prometheus', { skip: !hasPrometheus() && 'prometheus is not installed' }, () => {
  let prometheus: ChildProcess
  let ask: (kind: string, parameters: Record<string, string>) => Promise<readonly Series[]>
  const query = async (expr: string): Promise<readonly Series[]> => ask('query', { query: expr })
  const begunSeconds = Date.now() / 1000
  const runs: { name: string; host: string; address: string; coordinator: Launch; workers: Launch[] }[] = []

  const startRun = async (name: string, host: string): Promise<(typeof runs)[number]> => {
    const local = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--metrics-listen', host]
    const settings = ['--recipe', 'quick', '--data', tiny.directory, '--epochs', '100000', '--name', name]
    const coordinator = new Launch(['coordinator', ...settings, ...local], tiny.environment)
    const { address, runDirectory } = await coordinator.announcement()
    return { name: path.basename(runDirectory), host, address: await slowLink(address), coordinator, workers: [] }
  }

  before(async () => {
    for (const name of ['left', 'right']) runs.push(await startRun(name, `127.0.0.1:${await freePort()}`))
    // The first worker of each run is scraped as well.
    const own = await Promise.all(runs.map(async () => `127.0.0.1:${await freePort()}`))
    for (const file of ['prometheus.yml', 'alerts.yml'])
      cpSync(path.join(monitoring, 'prometheus', file), path.join(scratch, file))
    const config = path.join(scratch, 'prometheus.yml')
    writeFileSync(config, readFileSync(config, 'utf8').replaceAll('5s', '1s'))
    const targets = [...runs.map(({ host }) => host), ...own]
    writeFileSync(path.join(scratch, 'targets.yml'), JSON.stringify([{ targets }]))
    const port = await freePort()
    const options = [`--storage.tsdb.path=${path.join(scratch, 'data')}`, `--web.listen-address=127.0.0.1:${port}`]
    prometheus = spawn('prometheus', [`--config.file=${config}`, ...options], { stdio: 'ignore' })
    ask = async (kind, parameters) => {
      const url = `http://127.0.0.1:${port}/api/v1/${kind}?${new URLSearchParams(parameters).toString()}`
      const response = await fetch(url).catch(() => undefined)
      if (response === undefined || response.status === 503) return []
      assert.equal(response.status, 200, `${url}: ${await response.clone().text()}`)
      return ((await response.json()) as { data: { result: Series[] } }).data.result
    }
    await until('runs without workers', async () => (await query('convoy_workers == 0')).length === runs.length)
    for (const [index, { address, workers }] of runs.entries()) {
      for (const [place, name] of WORKERS.entries()) {
        const flags = place === 0 ? ['--no-shared-memory', '--metrics-listen', own[index]!] : []
        workers.push(new Launch(['worker', '--join', address, '--name', name, ...flags], tiny.environment))
      }
    }
    const steps = 'rate(convoy_step_duration_seconds_count[10s]) > 0'
    await until('steps of both', async () => (await query(steps)).length === runs.length)
    await until('workers of both', async () => (await query('convoy_workers == 2')).length === runs.length)
  })
  after(() => {
    prometheus.kill('SIGKILL')
    killLaunches()
    closeSlowLinks()
    tiny.remove()
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
  })

  it('are drawn separately: every query of every panel has series of each run, and of one run when it is chosen', async () => {
    const names = runs.map(({ name }) => name).sort()
    const runsOf = (all: readonly Series[]): string[] => [...new Set(all.map(({ metric }) => metric['run']!))].sort()
    for (const { title: dashboard, panels, templating } of dashboards) {
      const variable = templating.list.find(({ name }) => name === 'run')!
      assert.equal(variable.query, 'label_values(convoy_run_info, run)', dashboard)
      for (const { title, type, repeat, targets = [] } of panels) {
        for (const { expr } of targets) {
          if (isAbsent(expr)) continue
          await until(`${dashboard}: ${title}: ${concrete(expr, '.+')}`, async () => {
            const found = runsOf(await query(concrete(expr, '.+')))
            return found.length === names.length && found.every((name, index) => name === names[index])
          })
          for (const name of names) assert.deepEqual(runsOf(await query(concrete(expr, name))), [name], title)
        }
        // A heat map shows one histogram and is repeated for each run.
        if (type === 'heatmap') assert.equal(repeat, 'run', title)
        else await assertLegends(`${dashboard}: ${title}`, targets)
      }
    }
  })

  /** Asserts that the legends of a chart are distinct, and that each names its run or worker. */
  async function assertLegends(title: string, targets: readonly Target[]): Promise<void> {
    const legends: string[] = []
    for (const target of targets) {
      for (const series of await query(concrete(target.expr, '.+'))) {
        const legend = legendOf(target, series)
        assert.ok(
          runs.some(({ name }) => legend.includes(name)),
          `${title}: ${legend}`,
        )
        legends.push(legend)
      }
    }
    assert.equal(new Set(legends).size, legends.length, `${title}: ${legends.join(', ')}`)
  }

  it('are described by labels: name, version, recipe, network, data set, precision and seed', async () => {
    const { version } = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as { version: string }
    const infos = await query('convoy_run_info')
    for (const name of ['left', 'right']) {
      const [info] = infos.filter(({ metric }) => metric['name'] === name)
      assert.ok(info !== undefined, `no run is called ${name}`)
      const { metric } = info
      const { run, recipe, network, dataset, precision, seed } = metric
      assert.ok(runs.some((one) => one.name === run && run.endsWith(`_${name}`)))
      assert.deepEqual(
        [metric['version'], recipe, network, dataset, precision, seed],
        [version, 'quick', 'resnet8', 'tiny', 'float32', '1'],
      )
    }
  })

  it('separate workers of equal names, which are labelled with their run when scraped themselves', async () => {
    const own = await query('convoy_worker_shards_total{component="worker"}')
    assert.deepEqual(
      own.map(({ metric }) => [metric['run'], metric['worker']]).sort(),
      runs.map(({ name }) => [name, 'first']).sort(),
    )
    const series = await query('{__name__=~"convoy_.+", run!~".+"}')
    assert.deepEqual(series, [], 'a series of no run')
  })

  it('show states as names with colours, the same on every panel', async () => {
    const colors = new Map<string, string>()
    const panels = dashboards.flatMap((dashboard) => dashboard.panels)
    const ofStates = panels.filter(({ targets = [] }) => targets.some(({ expr }) => /_state\{/.test(expr)))
    assert.ok(ofStates.some(({ type }) => type === 'state-timeline'))
    for (const { title, targets, fieldConfig } of ofStates) {
      const [mapping] = fieldConfig?.defaults.mappings ?? []
      assert.ok(mapping !== undefined, `${title} shows numbers`)
      const metric = /convoy_(\w+_state)/.exec(targets![0]!.expr)![1]!
      for (const { text, color } of Object.values(mapping.options)) {
        assert.equal(colors.get(`${metric} ${text}`) ?? color, color, `${title}: ${text}`)
        colors.set(`${metric} ${text}`, color)
      }
      // Prometheus has the values of the coordinator.
      const numbers = await query(concrete(targets![0]!.expr, '.+'))
      assert.ok(numbers.length > 0)
      for (const { value } of numbers) assert.ok(value[1] in mapping.options, `${title}: ${value[1]}`)
    }
    for (const state of ['waiting', 'training', 'evaluating', 'paused', 'finished', 'failed'])
      assert.ok(colors.has(`run_state ${state}`), state)
  })

  it('mark each joined worker and the killed one only in its own run', async () => {
    const marks = async (name: string): Promise<[string, number][]> => {
      const [expr] = new Set(
        dashboards.map(({ annotations }) => annotations?.list.find((one) => one.name === name)?.expr),
      )
      assert.ok(expr !== undefined, `no dashboard marks: ${name}`)
      const range = { start: `${begunSeconds}`, end: `${Date.now() / 1000}`, step: '1s' }
      const series = await ask('query_range', { query: concrete(expr, '.+'), ...range })
      return series.map(({ metric, values }) => [
        metric['run']!,
        values.reduce((sum, [, value]) => sum + Number(value), 0),
      ])
    }
    assert.deepEqual(
      (await marks('Worker joined')).sort(),
      runs.map(({ name }) => [name, WORKERS.length] as [string, number]).sort(),
    )
    assert.deepEqual(await marks('Worker lost'), [])
    const [{ workers, name }] = runs as [(typeof runs)[number]]
    workers[1]!.kill()
    await until('a mark', async () => (await marks('Worker lost')).length > 0)
    assert.deepEqual(await marks('Worker lost'), [[name, 1]])
    assert.deepEqual(await marks('Worker left on request'), [])
  })

  it('are distinguished when they follow each other at one address: the first ends, and no rate mixes them', async () => {
    const [dead] = runs as [(typeof runs)[number]]
    for (const worker of dead.workers) worker.kill()
    dead.coordinator.kill()
    await dead.coordinator.status()
    const next = await startRun('left', dead.host)
    assert.notEqual(next.name, dead.name)
    new Launch(['worker', '--join', next.address, '--name', 'first'], tiny.environment)
    const at = `instance="${dead.host}"`
    await until('steps of the next', async () => (await query(`convoy_step{${at}} > 2`)).length === 1)
    const [now] = await query(`convoy_step{${at}}`)
    assert.equal(now!.metric['run'], next.name)
    const samples = await query(`increase(convoy_samples_total{${at}}[10m])`)
    assert.deepEqual(samples.map(({ metric }) => metric['run']).sort(), [dead.name, next.name].sort())
    const seen = await query(`last_over_time(convoy_samples_total{${at}}[10m])`)
    for (const { metric, value } of samples) {
      const last = seen.find(({ metric: { run } }) => run === metric['run'])!
      // Prometheus extrapolates a little beyond the first and the last scrape.
      assert.ok(Number(value[1]) <= 2 * Number(last.value[1]), `${metric['run']}: ${value[1]}`)
    }
  })
})

function hasPrometheus(): boolean {
  return spawnSync('prometheus', ['--version']).status === 0
}
