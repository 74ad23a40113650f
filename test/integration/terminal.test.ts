import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { printable } from '../../src/shared/log/printable.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { killLaunches, Launch } from '../support/launch.js'
import { killTerminals, noTerminal, PseudoTerminal } from '../support/pseudo-terminal.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-terminal-'))
after(() => {
  killLaunches()
  killTerminals()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const LOCAL = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']
const TRAIN = ['train', '--recipe', 'quick', '--data', tiny.directory, '--workers', '2']
/** Removes the colour settings of the terminal or CI machine that runs the tests. */
const NO_PREFERENCE = { CI: undefined, NO_COLOR: undefined, FORCE_COLOR: undefined, NODE_DISABLE_COLORS: undefined }
/** Control characters, colours included. */
const CONTROL = /[^\P{Cc}\n]/u

/** A complete run on a terminal of the given width. */
async function trainOn(columns: number, environment: NodeJS.ProcessEnv = {}): Promise<PseudoTerminal> {
  const runs = mkdtempSync(path.join(scratch, 'runs-'))
  const terminal = new PseudoTerminal([...TRAIN, '--epochs', '4', '--runs-dir', runs], columns, 30, {
    ...tiny.environment,
    ...environment,
  })
  assert.equal(await terminal.status(), 0, terminal.raw)
  return terminal
}

describe('progress on a terminal', { skip: noTerminal }, () => {
  it('is one bar, with the events above it and the result below', async () => {
    const terminal = await trainOn(120)
    const lines = await terminal.lines()
    const bars = lines.filter((line) => /[█░]/.test(line))
    assert.equal(bars.length, 1, lines.join('\n'))
    assert.match(
      bars[0]!,
      /^█{20} {2}27\/27 {2}(epoch \d+\.\d\d {2}loss \d+\.\d+ {2}accuracy \d+\.\d % {2}\d+ samples\/s {2}2 workers {2}0 s left|test: 180 of 180 images)$/,
    )
    // The bar was redrawn often, and left no trace.
    assert.ok(terminal.raw.split('\r').filter((part) => part.includes('░')).length > 3)
    const events = lines.slice(0, lines.indexOf(bars[0]!))
    for (const wanted of [
      /^Worker [12] \(.*\) joined; 1 worker now\.$/,
      /^Worker [12] \(.*\) joined; 2 workers now\.$/,
      /^validation after step 7 \(epoch 1\.07\): accuracy \d+\.\d %, loss \d+\.\d{4} \(\d+ s(, best so far)?\)$/,
    ])
      assert.equal(events.filter((line) => wanted.test(line)).length, 1, `${wanted}:\n${lines.join('\n')}`)
    assert.ok(lines.slice(lines.indexOf(bars[0]!)).some((line) => line.includes('weights sha256')))
  })

  it('fits a narrow terminal: the bar leaves out the least important parts', async () => {
    const terminal = await trainOn(38)
    const drawn = terminal.raw.split('\r').map((part) => part.split('\u001b[K')[0]!)
    const bars = drawn.filter((part) => /^\d+\/27 {2}/.test(part))
    assert.ok(bars.length > 3, terminal.raw)
    for (const bar of bars) assert.ok(bar.length < 38, bar)
    assert.ok(bars.some((bar) => /loss .* s left$/.test(bar)))
    const lines = await terminal.lines()
    assert.equal(lines.filter((line) => /^\d+\/27 {2}/.test(line)).length, 1, lines.join('\n'))
  })

  it('is plain lines on a terminal that cannot move its cursor', async () => {
    const { raw } = await trainOn(120, { TERM: 'dumb' })
    assert.match(raw, /^step 1\/27 {2}/m)
    assert.doesNotMatch(raw.replaceAll('\r\n', '\n'), CONTROL)
  })
})

describe('colours', () => {
  const wait = ['coordinator', '--recipe', 'quick', '--data', tiny.directory, ...LOCAL]
  const yellow = '\u001b[33m⚠ No worker can compute; the run waits for one.\u001b[39m'

  it('mark faults on a terminal, unless NO_COLOR is set', { skip: noTerminal }, async () => {
    for (const [environment, isYellow] of [
      [{}, true],
      [{ NO_COLOR: '1' }, false],
    ] as const) {
      const runs = mkdtempSync(path.join(scratch, 'runs-'))
      const terminal = new PseudoTerminal([...wait, '--runs-dir', runs], 120, 30, {
        ...tiny.environment,
        ...NO_PREFERENCE,
        ...environment,
      })
      await terminal.untilOutput(/No worker can compute[^]*░/)
      terminal.interrupt()
      assert.equal(await terminal.status(), 130)
      assert.equal(terminal.raw.includes(yellow), isYellow, terminal.raw)
    }
  })

  it('and other control characters are not written to pipes, unless FORCE_COLOR is set', async () => {
    for (const [environment, isYellow] of [
      [{}, false],
      [{ FORCE_COLOR: '1' }, true],
    ] as const) {
      const launch = new Launch(wait, { ...tiny.environment, ...NO_PREFERENCE, ...environment })
      await launch.untilStderr(/No worker can compute.*\n/)
      launch.kill()
      await launch.status()
      assert.equal(launch.stderr.includes(yellow), isYellow)
      assert.equal(CONTROL.test(launch.stderr), isYellow)
    }
    const whole = new Launch([...TRAIN, '--max-steps', '3'], { ...tiny.environment, ...NO_PREFERENCE })
    assert.equal(await whole.status(), 0)
    assert.doesNotMatch(whole.stderr + whole.stdout, CONTROL)
  })

  it('in texts from outside are not shown', () => {
    assert.equal(printable('evil\u001b[2J\u009b2J\rname\nline'), String.raw`evil\u001b[2J\u009b2J\u000dname\u000aline`)
  })
})

describe('convoy status --watch', () => {
  it('prints one block after the other on a pipe, and ends with the run', async () => {
    const launch = new Launch([...TRAIN, '--epochs', '100000'], tiny.environment, true)
    const { runDirectory } = await launch.announcement()
    const watch = new Launch(['status', runDirectory, '--watch'])
    const json = new Launch(['status', runDirectory, '--watch', '1', '--json'])
    await watch.untilStdout(/step [1-9]\d* of .*, 2 workers, .* left\n[^]*step \d+ of .*\n/)
    launch.kill()
    assert.equal(await watch.status(), 0, watch.stderr)
    assert.match(watch.stderr, /^The coordinator at .* no longer answers: its run ended\.$/m)
    assert.equal(await json.status(), 0, json.stderr)
    launch.remove()
    assert.doesNotMatch(watch.stdout, CONTROL)
    assert.match(watch.stdout, /accuracy \d+\.\d %, \d+ samples\/s, 2 workers, .* left\n/)
    assert.match(watch.stdout, /^checkpoint of step \d+, .* ago; step journal on$/m)
    const states = json.stdout.trim().split('\n')
    assert.ok(states.length > 1)
    for (const state of states) assert.ok('secondsLeft' in (JSON.parse(state) as object))
    const last = JSON.parse(states.at(-1)!) as { checkpoint: { ageSeconds: number }; journal: string }
    assert.equal(last.journal, 'on')
    assert.ok(last.checkpoint.ageSeconds > 0)
  })

  it('redraws in place on a terminal, within its size, and ends with 130 on Ctrl-C', { skip: noTerminal }, async () => {
    const launch = new Launch([...TRAIN, '--epochs', '100000'], tiny.environment, true)
    const { address, runDirectory } = await launch.announcement()
    // Each of these characters is two columns wide.
    const wide = new Launch(['worker', '--join', address, '--name', '計算機'.repeat(8)], tiny.environment)
    await launch.untilMetrics((line) => line['kind'] === 'worker-joined' && line['workers'] === 3)
    const terminal = new PseudoTerminal(['status', runDirectory, '--watch'], 70, 24)
    await terminal.untilOutput(/(step \d+ of [^]*){3}/)
    terminal.interrupt()
    assert.equal(await terminal.status(), 130)
    const lines = await terminal.lines()
    assert.equal(lines.filter((line) => line.startsWith(runDirectory.slice(0, 69))).length, 1, lines.join('\n'))
    assert.equal(lines.filter((line) => line.startsWith('│ worker')).length, 1, lines.join('\n'))
    assert.equal(lines.filter((line) => line.startsWith('└')).length, 1)
    assert.equal(lines.filter((line) => line.includes('計算機')).length, 1)
    wide.kill()
    launch.kill()
    await launch.status()
    launch.remove()
  })

  it('reports an invalid value of --watch, and a missing run', async () => {
    const empty = mkdtempSync(path.join(scratch, 'empty-'))
    for (const [args, message] of [
      [['--watch', '0'], /--watch.*whole number from 1 to 3600/],
      [['--watch', '--runs-dir', empty], /No run is going on/],
    ] as const) {
      const launch = new Launch(['status', ...args])
      assert.equal(await launch.status(), 2)
      assert.match(launch.stderr, message)
    }
    assert.deepEqual(readdirSync(empty), [])
  })
})
