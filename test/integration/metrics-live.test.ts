import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { METRICS, fullName } from '../../src/metrics/definitions.js'
import type { MetricName } from '../../src/metrics/definitions.js'
import { PHASES } from '../../src/metrics/phases.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { killLaunches, Launch } from '../support/launch.js'

const tiny = tinyDataset()
after(() => {
  killLaunches()
  tiny.remove()
})

const LOCAL = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']
const RUN = ['--recipe', 'quick', '--data', tiny.directory, '--json']
const SCRAPES = 1_000
const SCRAPE_EVERY_MS = 1_000
const SCRAPE_AGAIN_MS = 100

/** Series that need a GPU. */
const ABSENT: readonly MetricName[] = [
  ...(['worker_gpu_memory_bytes', 'worker_gpu_memory_used_bytes', 'worker_gpu_power_watts'] as const),
  ...(['worker_gpu_temperature_celsius', 'worker_gpu_utilization_ratio'] as const),
]

describe('a coordinator with two workers', () => {
  it('serves every series, valid for promtool; a thousand concurrent scrapes do not change the result', async (t) => {
    // Until it is stopped: scrapes take as long as they take.
    const run = [...RUN, '--epochs', '1000']
    const coordinator = new Launch(['coordinator', ...run, ...LOCAL], tiny.environment)
    const { address, metrics, runDirectory } = await coordinator.announcement()
    const runName = path.basename(runDirectory)
    const names = ['first', 'second']
    const workers = names.map(
      (name) =>
        new Launch(['worker', '--join', address, '--name', name, '--metrics-listen', '127.0.0.1:0'], tiny.environment),
    )
    await coordinator.untilMetrics((line) => line['kind'] === 'evaluated')
    await coordinator.untilMetrics((line) => line['kind'] === 'step' && (line['step'] as number) >= 20)

    const scrapes = await Promise.all(
      Array.from({ length: SCRAPES }, async () => {
        const response = await fetch(metrics)
        assert.equal(response.status, 200)
        return response.text()
      }),
    )
    assert.ok(scrapes.every((scrape) => scrape.includes('convoy_step{')))
    const text = await (await fetch(metrics)).text()

    const series = (Object.keys(METRICS) as MetricName[]).filter((name) => !text.includes(`\n${fullName(name)}`))
    assert.deepEqual(series.sort(), ABSENT)
    for (const name of names)
      for (const series of [
        `worker_shards_total{worker="${name}"`,
        `worker_samples_total{worker="${name}"`,
        `worker_traffic_bytes_total{worker="${name}",kind="results",direction="received"`,
      ])
        assert.ok(
          text
            .split('\n')
            .some(
              (line) =>
                line.startsWith(`convoy_${series},component="coordinator",run="${runName}"} `) && !line.endsWith(' 0'),
            ),
          series,
        )
    const seen = PHASES.filter((phase) => text.includes(`phase="${phase}"`))
    assert.deepEqual(seen, PHASES)
    for (const kind of ['weights', 'results'])
      assert.match(text, new RegExp(`^convoy_traffic_bytes_total\\{kind="${kind}",.*path="memory",.*\\} [1-9]`, 'm'))
    // The run evaluates every few steps.
    assert.match(text, /^convoy_run_state\{state="(training|evaluating)",.*\} 1$/m)
    assert.equal(text.match(/^convoy_run_state\{state="\w+",.*\} 1$/gm)?.length, 1)
    assert.match(text, /^convoy_nodejs_gc_duration_seconds_count/m)
    assert.match(text, /^convoy_process_open_fds\{/m)

    const own = /Metrics at (\S+)/.exec(workers[0]!.stderr)![1]!
    const ownText = await (await fetch(own)).text()
    assert.match(ownText, /^convoy_worker_shards_total\{worker="first",.*\} [1-9]/m)
    assert.match(ownText, /^convoy_phase_duration_seconds_count\{role="worker",phase="forward_backward",.*\} [1-9]/m)

    await t.test('promtool check metrics', { skip: !hasPromtool() && 'promtool is not installed' }, () => {
      for (const input of [text, ownText]) {
        const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })
        assert.equal(`${stdout}${stderr}`, '')
        assert.equal(status, 0)
      }
    })

    workers[1]!.kill()
    await coordinator.untilMetrics((line) => line['kind'] === 'worker-left')
    const later = await untilScrape(metrics, (text) => !text.includes('worker="second"'))
    // On a busy machine the other one may have been lost as well, and have joined again.
    assert.match(later, /^convoy_worker_departures_total\{cause="lost",.*\} [1-9]/m)
    await untilScrape(metrics, (text) => text.includes('worker="first"'))

    const stop = new Launch(['stop', runDirectory], tiny.environment)
    const last = await lastScrape(metrics)
    assert.equal(await stop.status(), 0, stop.stderr)
    assert.match(last, /^convoy_run_state\{state="stopped",.*\} 1$/m)
    assert.match(last, /^convoy_saved_model_bytes\{.*\} [1-9]/m)
    const { steps, weightsSha256 } = await coordinator.result()
    const again = ['train', ...run, ...LOCAL, '--standalone', '--max-steps', String(steps)]
    assert.equal(weightsSha256, (await new Launch(again, tiny.environment).result())['weightsSha256'])
  })
})

function hasPromtool(): boolean {
  return spawnSync('promtool', ['--version']).status === 0
}

/** Scrapes until the text is as wanted. */
async function untilScrape(url: string, isWanted: (text: string) => boolean): Promise<string> {
  for (;;) {
    const text = await (await fetch(url)).text()
    if (isWanted(text)) return text
    await delay(SCRAPE_AGAIN_MS)
  }
}

/** The last successful scrape of a regular scraper. */
async function lastScrape(url: string): Promise<string> {
  let text = ''
  for (;;) {
    const response = await fetch(url).catch(() => undefined)
    if (response === undefined) return text
    text = await response.text()
    await delay(SCRAPE_EVERY_MS)
  }
}
