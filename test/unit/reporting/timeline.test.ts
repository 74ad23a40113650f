import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Timeline } from '../../../src/reporting/page/timeline.js'
import type { RejectionCode } from '../../../src/shared/rejection.js'
import type { RunEvent } from '../../../src/training/run-events.js'
import { EVENTS, worker } from '../../support/example-run.js'

const step = EVENTS.find((event) => event.kind === 'step')!
const evaluated = EVENTS.find((event) => event.kind === 'evaluated')!

function timelineOf(events: Iterable<RunEvent>): Timeline {
  const timeline = new Timeline('runs/example')
  let seconds = 0
  for (const event of events) timeline.observe(event, seconds++)
  return timeline
}

describe('the timeline of a run', () => {
  it('has a bounded number of points that keep the means', () => {
    const STEPS = 50_000
    const steps = Array.from({ length: STEPS }, (_, index) => ({ ...step, step: index + 1, loss: index % 2 }))
    const { points, stepsPerPoint } = timelineOf(steps).snapshot()
    assert.ok(points.length <= 4_096 && points.length >= 2_000, `${points.length}`)
    assert.equal(stepsPerPoint, 16)
    assert.ok(points.every(({ loss }) => loss === 0.5))
    assert.equal(points[0]!.step, stepsPerPoint)
    assert.equal(STEPS - points.at(-1)!.step < stepsPerPoint, true)
  })

  it('gives updates that add up to its snapshot', () => {
    const timeline = new Timeline('runs/example')
    timeline.takeUpdate()
    let { points, evaluations, lines, members } = timeline.snapshot()
    for (const [seconds, event] of EVENTS.entries()) {
      timeline.observe(event, seconds)
      const update = timeline.takeUpdate()
      if (update === undefined) ({ points, evaluations, lines, members } = timeline.snapshot())
      else {
        points = [...points, ...update.points]
        evaluations = [...evaluations, ...update.evaluations]
        lines = [...lines, ...update.lines]
        members = update.members ?? members
      }
    }
    const whole = timeline.snapshot()
    assert.deepEqual({ points, lines, members }, { points: whole.points, lines: whole.lines, members: whole.members })
    assert.deepEqual(
      evaluations.map(({ accuracy }) => accuracy),
      whole.evaluations.map(({ accuracy }) => accuracy),
    )
  })

  it('requires a new snapshot after too many lines without an update', () => {
    const timeline = new Timeline('runs/example')
    timeline.takeUpdate()
    for (let line = 0; line < 2_500; line++) timeline.addLine(`${line}`, line)
    assert.equal(timeline.takeUpdate(), undefined)
    assert.equal(timeline.snapshot().lines.length, 1_000)
    assert.deepEqual(timeline.takeUpdate()?.lines, [])
  })

  it('marks warnings as faults, and leaves out expected rejections', () => {
    const refused = (code: RejectionCode): RunEvent => ({ kind: 'refused', worker, code, reason: code })
    const rescued: RunEvent = { kind: 'rescued', workerId: 1, lateId: 2, shards: 1 }
    const events = [refused('stale'), refused('audited'), rescued, refused('not_finite'), ...EVENTS.slice(1, 3)]
    assert.deepEqual(
      timelineOf(events)
        .snapshot()
        .lines.map(({ kind }) => kind),
      ['fault', 'fault', 'joined'],
    )
  })

  it('escapes control characters in names', () => {
    const name = 'a\u202eb\n'
    const { members, lines } = timelineOf([
      { kind: 'worker-joined', worker: { ...worker, name }, workers: 1 },
    ]).snapshot()
    assert.equal(members[0]!.name, 'a\\u202eb\\u000a')
    assert.match(lines[0]!.text, /\(a\\u202eb\\u000a, a CPU\)/)
  })

  it('has loss, accuracy, step and epoch of each evaluation', () => {
    const [point] = timelineOf([evaluated]).snapshot().evaluations
    const { split, step: at, epoch, loss, accuracy, best } = point!
    assert.deepEqual([split, at, epoch, loss, accuracy, best], ['validation', 2, 1, 1.25, 0.75, true])
  })

  it('keeps only the latest confusion matrix of each split', () => {
    const { evaluations } = timelineOf(Array.from({ length: 3 }, () => evaluated)).snapshot()
    assert.deepEqual(
      evaluations.map(({ confusion }) => confusion !== undefined),
      [false, false, true],
    )
  })

  it('keeps present and past workers, and discards the earliest departures first', () => {
    const join = (id: number): RunEvent => ({ kind: 'worker-joined', worker: { ...worker, id }, workers: 1 })
    const leave = (id: number): RunEvent => ({
      kind: 'worker-left',
      worker: { ...worker, id },
      reason: 'x',
      workers: 0,
    })
    const timeline = timelineOf([join(1), join(2), leave(2)])
    const [first, second] = timeline.snapshot().members
    const hardware = { device: 'a CPU', deviceKind: 'cpu', tensorflowVersion: '2' }
    assert.deepEqual(first, { ...hardware, id: 1, name: worker.name, joinedSeconds: 0 })
    assert.deepEqual(second, { ...hardware, id: 2, name: worker.name, joinedSeconds: 1, leftSeconds: 2 })
    for (let id = 3; id < 1_000; id++) for (const event of [join(id), leave(id)]) timeline.observe(event, id)
    const { members } = timeline.snapshot()
    assert.equal(members.length, 512)
    assert.equal(members[0]!.id, 1)
    assert.equal(members.at(-1)!.id, 999)
  })
})
