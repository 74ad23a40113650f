import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { describeStatus } from '../../../src/cli/commands/status.js'
import { statusReply } from '../../../src/coordinator/status-reply.js'
import { RunProgress } from '../../../src/reporting/run-progress.js'
import { runStatus } from '../../../src/reporting/run-status.js'
import { ProgressLine } from '../../../src/reporting/sinks/progress-line.js'
import { PrometheusMetrics } from '../../../src/reporting/sinks/prometheus-metrics.js'
import { TinyProblem } from '../../../src/simulation/tiny-problem.js'
import { formatDuration } from '../../../src/shared/units.js'
import type { RunEvent } from '../../../src/training/run-events.js'
import { EVENTS, worker } from '../../support/example-run.js'

describe('rate and remaining time', () => {
  it('are the same in the progress line, in the status, on the page and in the metrics', async () => {
    const progress = new RunProgress()
    const line = new ProgressLine(progress)
    const metrics = new PrometheusMetrics(() => 0, { run: 'r', name: 'x', recipe: 'quick', version: '1.2.3' })
    const { description } = new TinyProblem(1, 1)
    const source = {
      ...{ description, progress: () => progress.summary, weights: () => new Float32Array(0) },
      ...{ workerCount: 0, workers: () => [], workerPhases: () => [], traffic: () => [] },
    }
    metrics.watch(source)
    const started = EVENTS.find((event) => event.kind === 'started')!
    const step = EVENTS.find((event) => event.kind === 'step')!
    const events: RunEvent[] = [
      { ...started, totalSteps: 500 },
      { kind: 'worker-joined', worker, workers: 1 },
      // The first step is slow: the worker builds its graph.
      ...[9_000, 900, 400, 250, 260, 240, 255].map((durationMs, index) => ({ ...step, step: index + 1, durationMs })),
    ]
    for (const event of events) {
      progress.observe(event)
      line.observe(event)
      metrics.observe(event)
    }

    const { samplesPerSecond, secondsLeft } = statusReply(progress.summary, 'runs/x', [])
    const meanMs = (900 + 400 + 250 + 260 + 240 + 255) / 6
    assert.ok(Math.abs(samplesPerSecond - (1000 * started.config.batchSize) / meanMs) < 1e-9)
    assert.ok(Math.abs(secondsLeft - (493 * meanMs) / 1000) < 1e-9)

    const page = runStatus(source, [], 0)
    assert.deepEqual([page.samplesPerSecond, page.secondsLeft], [samplesPerSecond, secondsLeft])
    const { text } = await metrics.render()
    const metric = (name: string): number => Number(new RegExp(`^${name}\\{[^}]*\\} (.*)$`, 'm').exec(text)![1])
    assert.deepEqual(
      [metric('convoy_samples_per_second'), metric('convoy_seconds_left')],
      [samplesPerSecond, secondsLeft],
    )
    const shown = [`${samplesPerSecond.toFixed(0)} samples/s`, `${formatDuration(secondsLeft)} left`]
    const status = describeStatus(statusReply(progress.summary, 'runs/x', []))
    for (const figure of shown) {
      assert.ok(line.plain().includes(figure), `${figure} in ${line.plain()}`)
      assert.ok(line.within(200).includes(figure), `${figure} in ${line.within(200)}`)
      assert.ok(status.includes(figure), `${figure} in ${status}`)
    }
  })
})
