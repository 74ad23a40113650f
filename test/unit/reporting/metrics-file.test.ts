import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ReportFile } from '../../../src/reporting/page/report-file.js'
import { metricsFile, readMetrics } from '../../../src/reporting/sinks/metrics-file.js'
import { DurableTraining, STEPS } from '../../support/durable-training.js'
import { removeDisks, smallDisk } from '../../support/small-disk.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-metrics-file-'))
const disk = smallDisk(scratch, 256)
const noDisk = disk === undefined && 'nothing can be mounted here'
after(() => {
  removeDisks()
  rmSync(scratch, { recursive: true, force: true })
})

describe('a report on a disk that is full for a while', () => {
  it(
    'keeps the records that do not fit in memory, no part of them in the file, and writes them when there is room',
    { skip: noDisk },
    async () => {
      const file = path.join(disk!, 'report')
      const losses: number[] = []
      const report = new ReportFile(file, { flushMs: 0, onLost: (records) => void losses.push(records) })
      report.append(Buffer.from('first\n'))
      await report.sync()
      const { bavail, bsize } = statfsSync(disk!)
      const filler = path.join(disk!, 'filler')
      writeFileSync(filler, Buffer.alloc((bavail - 1) * bsize))
      const tooLong = `${'does not fit '.repeat(bsize)}\n`
      report.append(Buffer.from(tooLong))
      await report.sync()
      report.append(Buffer.from('second\n'))
      await report.sync()
      assert.equal(readFileSync(file, 'utf8'), 'first\n')
      rmSync(filler)
      await report.sync()
      assert.equal(readFileSync(file, 'utf8'), `first\n${tooLong}second\n`)
      assert.deepEqual(new Set(losses), new Set([0]))
      await report.close()
    },
  )

  it('writes the records that fit, and counts those as lost that still wait at the end', { skip: noDisk }, async () => {
    const file = path.join(disk!, 'full')
    const losses: number[] = []
    const report = new ReportFile(file, { flushMs: 0, onLost: (records) => void losses.push(records) })
    const { bavail, bsize } = statfsSync(disk!)
    writeFileSync(path.join(disk!, 'filler'), Buffer.alloc((bavail - 1) * bsize))
    const record = `${'x'.repeat(bsize / 2 - 2)}\n`
    for (let records = 0; records < 5; records++) report.append(Buffer.from(record))
    await report.close()
    assert.equal(readFileSync(file, 'utf8'), record.repeat(2))
    assert.equal(losses.at(-1), 3)
  })
})

describe('the metrics.jsonl of a resumed run', () => {
  it('loses its damaged lines, which end no run and are reported', async () => {
    const training = new DurableTraining(scratch)
    await training.train(15)
    const file = path.join(training.runDirectory, 'metrics.jsonl')
    const lines = readFileSync(file, 'utf8').split('\n')
    const damaged = [...lines.slice(0, 4), '{"time":17', '3', '', lines[4]!.replace('kind', 'kine'), ...lines.slice(5)]
    writeFileSync(file, damaged.join('\n'))
    const { outcome } = await training.train()
    assert.equal(outcome!.result.steps, STEPS)
    assert.match(training.warnings.join('\n'), /some of its lines were damaged/)
    const steps = training.metrics().flatMap((line) => (line.kind === 'step' ? [line.step] : []))
    assert.equal(steps.length, STEPS - 1)
    assert.deepEqual(
      steps,
      steps.toSorted((a, b) => a - b),
    )
  })

  it('is on the disk when a checkpoint may be: every event so far, and not only those of a moment ago', async () => {
    const losses: string[] = []
    const sink = metricsFile.open({
      ...{ runDirectory: scratch, identity: { run: 'r', name: 'r', recipe: 'quick', version: '0' } },
      ...{ wallSeconds: () => 1, onLost: (_records: number, { message }: Error) => void losses.push(message) },
    })
    sink.observe({ kind: 'waiting' })
    await delay(10)
    sink.observe({ kind: 'waiting' })
    await sink.sync!()
    assert.equal(readMetrics(scratch).length, 2)
    await sink.close()
    assert.deepEqual(losses, [])
  })
})
