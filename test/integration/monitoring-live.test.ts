import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { DASHBOARDS } from '../../generators/dashboards.js'
import { ALERTS } from '../../generators/alerts.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { closeSlowLinks, slowLink } from '../support/slow-link.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'
import { freePort } from '../support/free-port.js'
import { killLaunches, Launch } from '../support/launch.js'

const tiny = tinyDataset()
after(() => {
  killLaunches()
  closeSlowLinks()
  tiny.remove()
})

const NATIVE = path.join(packageRoot, 'deploy', 'monitoring', 'native')

interface Result {
  readonly data: { readonly result: readonly unknown[] }
}
interface Rules {
  readonly data: { readonly groups: readonly { readonly rules: readonly Rule[] }[] }
}
interface Rule {
  readonly name: string
  readonly state: string
  readonly health: string
}

describe('Prometheus with a live run', { skip: !hasPrometheus() && 'prometheus is not installed' }, () => {
  it('finds data for every query of every panel, and evaluates every alert', async () => {
    const local = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']
    const run = ['--recipe', 'quick', '--data', tiny.directory, '--epochs', '100000']
    const coordinator = new Launch(['coordinator', ...run, ...local], tiny.environment)
    const { address, metrics } = await coordinator.announcement()
    const join = await slowLink(address)
    for (const name of ['first', 'second'])
      new Launch(['worker', '--join', join, '--name', name, '--no-shared-memory'], tiny.environment)
    new Launch(['worker', '--join', join, '--name', 'third'], tiny.environment)

    const port = await freePort()
    const prometheus = spawn(NATIVE, [`${new URL(metrics).host},[::1]:9`, `${port}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let output = ''
    prometheus.stderr.on('data', (text: Buffer) => (output += text.toString()))
    try {
      const ask = async <Answer>(query: string): Promise<Answer | undefined> => {
        const response = await fetch(`http://127.0.0.1:${port}/api/v1/${query}`).catch(() => undefined)
        // Not started or not ready yet.
        if (response === undefined || response.status === 503) return undefined
        assert.equal(response.status, 200, `${query}: ${await response.clone().text()}`)
        return (await response.json()) as Answer
      }
      const hasData = async (expr: string): Promise<boolean> =>
        ((await ask<Result>(`query?query=${encodeURIComponent(expr)}`))?.data.result.length ?? 0) > 0
      // Three scrapes with steps between them, so that rates exist.
      await until('rates', async () => hasData('rate(convoy_step_duration_seconds_count[20s]) > 0'))

      for (const { title: dashboard, rows } of DASHBOARDS) {
        for (const { title, queries } of rows.flatMap((row) => row.panels)) {
          for (const { expr } of queries) {
            const concrete = expr.replaceAll(/\$(run|worker)/g, '.*').replaceAll('$__rate_interval', '20s')
            // These need a GPU.
            if (dashboard === 'Convoy: GPU')
              assert.equal(await hasData(concrete), false, `${dashboard}: ${title} has data after all`)
            else await until(`${dashboard}: ${title}: ${concrete}`, async () => hasData(concrete))
          }
        }
      }

      const groups = (await ask<Rules>('rules'))!.data.groups
      const rules = groups.flatMap((group) => group.rules)
      assert.deepEqual(rules.map(({ name }) => name).sort(), ALERTS.map(({ name }) => name).sort())
      for (const { name, state, health } of rules) {
        assert.equal(health, 'ok', name)
        assert.notEqual(state, 'firing', name)
      }
    } finally {
      prometheus.kill('SIGTERM')
      const [status] = (await once(prometheus, 'exit')) as [number | null]
      assert.equal(status, 0, output)
    }
  })

  it('reports invalid arguments', () => {
    for (const [args, output] of [
      [['7702'], /host:port/],
      [['127.0.0.1:7702,'], /host:port/],
      [['127.0.0.1:7702,x'], /host:port.* not x/],
      [['127.0.0.1:7702', '70000'], /1 to 65535/],
    ] as const) {
      const { status, stderr } = spawnSync(NATIVE, args, { encoding: 'utf8' })
      assert.equal(status, 2)
      assert.match(stderr, output)
    }
  })
})

function hasPrometheus(): boolean {
  return spawnSync('prometheus', ['--version']).status === 0
}
