import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { readTimeline } from '../../../src/reporting/page/read-timeline.js'
import { Timeline } from '../../../src/reporting/page/timeline.js'
import { writeConfig } from '../../../src/reporting/run-directory.js'
import { metricsFile } from '../../../src/reporting/sinks/metrics-file.js'
import type { Resumption } from '../../../src/reporting/sinks/run-sink.js'
import type { RunEvent } from '../../../src/training/run-events.js'
import { EVENTS, worker } from '../../support/example-run.js'

const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-timeline-'))
after(() => {
  rmSync(directory, { recursive: true, force: true })
})

const started = EVENTS.find((event) => event.kind === 'started')!
const stepped = EVENTS.find((event) => event.kind === 'step')!
const joined = (id: number): RunEvent => ({ kind: 'worker-joined', worker: { ...worker, id }, workers: 1 })
const step = (number: number, durationMs: number): RunEvent => ({ ...stepped, step: number, durationMs })
const BEGUN: RunEvent = { ...started, totalSteps: 10 }
const RESUMED: RunEvent = { kind: 'resumed', step: 3, epoch: 1.5, checkpointStep: 1 }
const RESUMED_LINE = 'The run goes on after step 3: from the checkpoint of step 1, and 2 steps of the journal.'

/** Writes the lines of one coordinator, one second after the other. */
async function write(events: readonly RunEvent[], fromSeconds: number, resumption?: Resumption): Promise<void> {
  let seconds = fromSeconds
  const file = metricsFile.open({
    ...{ runDirectory: directory, identity: { run: 'r', name: 'r', recipe: 'quick', version: '1' }, resumption },
    wallSeconds: () => seconds++,
    onLost: (_records, reason) => {
      throw reason
    },
  })
  for (const event of events) file.observe(event)
  await file.close()
}

describe('the directory of a run that went on after its coordinator was killed', () => {
  it('is read as one run: each step once, workers of the first coordinator gone, the rate of the second', async () => {
    await writeConfig(directory, started.config)
    await write([BEGUN, joined(1), step(1, 50), step(2, 50)], 1_000)
    const replayed = [2, 3].map((number): RunEvent => ({ ...step(number, 70), replayed: true }) as RunEvent)
    const next = [joined(2), step(4, 9_000), step(5, 200), step(6, 200)]
    await write([BEGUN, RESUMED, ...replayed, ...next], 2_000, { step: 3, validatedStep: undefined })

    const { header, points, lines, members, status } = readTimeline(directory)
    assert.equal(header!.startedSeconds, 1_000)
    assert.deepEqual(
      points.map((point) => point.step),
      [1, 2, 3, 4, 5, 6],
    )
    const line = lines.find(({ text }) => text === RESUMED_LINE)
    assert.deepEqual(line, { timeSeconds: 2_000, kind: 'note', text: RESUMED_LINE })
    assert.deepEqual(
      members.map(({ id, joinedSeconds, leftSeconds }) => [id, joinedSeconds, leftSeconds]),
      [
        [1, 1_001, 1_003],
        [2, 2_002, undefined],
      ],
    )
    // Neither the replay nor the first step, which waits for workers, is a measurement.
    assert.equal(status.samplesPerSecond, started.config.batchSize / 0.2)
    assert.equal(status.secondsLeft, 4 * 0.2)
    assert.equal(status.state, 'unfinished')
  })
})

describe('the page of a coordinator that goes on with a run', () => {
  it('begins with the first coordinator, and shows workers of that one as gone', () => {
    const timeline = new Timeline('runs/example')
    timeline.began(1_000)
    for (const [index, event] of [joined(1), step(1, 50)].entries()) timeline.observe(event, 1_001 + index)
    for (const event of [BEGUN, RESUMED, joined(2)]) timeline.observe(event, 2_000)
    const { header, members } = timeline.snapshot()
    assert.equal(header!.startedSeconds, 1_000)
    assert.deepEqual(
      members.map(({ id, leftSeconds }) => [id, leftSeconds]),
      [
        [1, 1_002],
        [2, undefined],
      ],
    )
  })
})
