import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { METRICS_LINES, metricsLineSchema } from '../../src/reporting/sinks/metrics-line.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { EVENTS } from '../support/example-run.js'
import { killLaunches, Launch } from '../support/launch.js'

const tiny = tinyDataset()
after(() => {
  killLaunches()
  tiny.remove()
})

/** A valid step of the file, to be changed. */
const STEP = { time: 1, ...EVENTS.find((event) => event.kind === 'step')! }

describe('metrics.jsonl', () => {
  it('fits its schema for every event of a run', async () => {
    const run = ['--recipe', 'quick', '--data', tiny.directory, '--epochs', '12', '--workers', '2', '--audit', '1/3']
    const launch = new Launch(['train', ...run, '--json'], tiny.environment, true)
    await launch.untilMetrics((line) => line['kind'] === 'step' && Number(line['step']) >= 5)
    const [victim] = launch.workerPids()
    process.kill(victim!, 'SIGKILL')
    await launch.result()
    const lines = await launch.metrics()
    launch.remove()
    for (const line of lines) {
      const { error } = metricsLineSchema.safeParse(line)
      assert.equal(error, undefined, `${JSON.stringify(line)}: ${error?.message}`)
    }
    const kinds = new Set(lines.map(({ kind }) => kind))
    const happened = ['started', 'worker-joined', 'worker-left', 'step', 'evaluated', 'audited', 'finished']
    for (const kind of happened) assert.ok(kinds.has(kind), kind)
  })

  it('has a schema that rejects unknown fields, missing fields and invalid values', () => {
    assert.ok(metricsLineSchema.safeParse(STEP).success)
    const { loss: _loss, ...without } = STEP
    for (const spoiled of [
      { ...STEP, more: 1 },
      without,
      { ...STEP, accuracy: 1.5 },
      { ...STEP, step: 0.5 },
      { ...STEP, kind: 'unheard-of' },
    ])
      assert.ok(!metricsLineSchema.safeParse(spoiled).success, JSON.stringify(spoiled))
  })

  it('is documented with every kind and all its fields', () => {
    const page = readFileSync(path.join(packageRoot, 'docs', 'reference', 'metrics-jsonl.md'), 'utf8')
    for (const { shape } of METRICS_LINES) {
      const [section] = page.split(`\n## ${shape.kind.value}\n`)[1]?.split('\n## ') ?? []
      assert.ok(section !== undefined, shape.kind.value)
      for (const field of Object.keys(shape).filter((name) => name !== 'time' && name !== 'kind'))
        assert.match(section, new RegExp(`^\\| \`${field}\``, 'm'), `${shape.kind.value}: ${field}`)
    }
  })
})
