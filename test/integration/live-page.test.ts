import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'puppeteer-core'
import {
  barriers,
  CHROMIUM,
  excessWidth,
  namelessParts,
  openBrowser,
  readChart,
  resize,
  screenshots,
  unzoomChart,
  watchedPage,
  zoomChart,
} from '../support/browser.js'
import { closeSlowLinks, slowLink } from '../support/slow-link.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'
import { killLaunches, Launch } from '../support/launch.js'

const PATIENCE = { timeout: 120_000 }
const ANY = '127.0.0.1:0'
const PHONE_WIDTH = 390

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-page-'))
after(() => {
  killLaunches()
  closeSlowLinks()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

describe('the live page', { skip: CHROMIUM === undefined && 'chromium is not installed' }, () => {
  let browser: Browser
  before(async () => {
    browser = await openBrowser()
  })
  after(async () => browser.close())

  it('shows a run while it trains, and the next run after its coordinator died', async () => {
    const start = (seed: number, listen: string, metrics: string): Launch => {
      const run = ['--recipe', 'quick', '--data', tiny.directory, '--epochs', '100000', '--seed', `${seed}`]
      const where = ['--listen', listen, '--admin-listen', ANY, '--metrics-listen', metrics]
      return new Launch(['coordinator', ...run, ...where], tiny.environment)
    }
    const first = start(11, ANY, ANY)
    const announced = await first.announcement()
    const [listen, metrics] = [announced.address, new URL(announced.metrics).host]
    const join = await slowLink(listen)
    const [ada] = ['ada', 'bob'].map((name) => new Launch(['worker', '--join', join, '--name', name], tiny.environment))
    const { page, problems, requests } = await watchedPage(browser)
    await page.goto(`http://${metrics}/`)

    await untilRows(page, '#workers tbody tr', 2)
    await untilFurther(page)
    await page.waitForSelector('#confusion td.cell', PATIENCE)
    assert.match(await textOf(page, '#title'), /^resnet8 on /)
    assert.match(await page.title(), /% (training|evaluating) · Convoy$/)
    assert.match(await textOf(page, '#facts'), /Time left\s+\d[\s\S]*Samples\/s\s+\d[\s\S]*Efficiency\s+\d/)
    assert.match(
      await textOf(page, '#facts'),
      /Newest checkpoint\s+step \d+, \d+ (s|min \d\d s) ago[\s\S]*Step journal\s+on/,
    )
    const figures = await labelsOf(page, '#charts .uplot')
    assert.equal(figures.length, 4)
    for (const figure of figures) assert.match(figure, /(batch|rate|samples\/s) \d/)
    assert.match(await textOf(page, '#phases'), /forward backward \d/)
    for (const part of [/Straggler ratio.*Memory/, /ada.*MB/, /bob.*MB/])
      assert.match(await textOf(page, '#workers'), part)
    assert.match(await textOf(page, '#traffic'), /weights sent[\s\S]*shared memory/)
    assert.match(await textOf(page, '#log'), /\(ada, .*\) joined; \d workers? now/)

    // A zoomed part stays in place when new steps arrive.
    await zoomChart(page, 0.5, 0.9)
    const [left] = await readChart(page, 0)
    assert.ok(left > 2, `the zoom begins at ${left}`)
    await untilFurther(page)
    assert.equal((await readChart(page, 0))[0], left)
    await unzoomChart(page)
    assert.equal((await readChart(page, 0))[0], 1)

    // An inspection of the current weights during the run.
    assert.equal((await labelsOf(page, '#kernels canvas')).length, 16)
    assert.match(await textOf(page, '#looking'), /computed at the end of the run, .* or now/)
    await page.click('#look')
    await page.waitForSelector('#samples button', PATIENCE)
    assert.match(await textOf(page, '#predicted'), /^180 validation images after step [\d,]+/)
    const { length: samples } = await page.$$('#samples button')
    assert.equal(samples, 12)
    await chooseSecond(page)
    assert.deepEqual(await namelessParts(page), [])
    assert.deepEqual(await barriers(page), [])

    // The page fits the width of a phone.
    await resize(page, PHONE_WIDTH)
    assert.equal(await excessWidth(page), 0)
    await screenshots(page, 'live')

    ada!.kill()
    await untilRows(page, '#workers tbody tr', 1)
    assert.match(await textOf(page, '#timeline'), /ada[\s\S]*left at/)
    assert.match(await textOf(page, '#log'), /\(ada\) left/)

    first.kill()
    await page.waitForSelector('#connection:not([hidden])', PATIENCE)
    assert.deepEqual(problems, [])
    const second = start(12, listen, metrics)
    await second.announcement()
    await page.waitForSelector('#connection[hidden]', PATIENCE)
    await page.waitForFunction(() => /Seed\s*12/.test(document.getElementById('settings')!.textContent), PATIENCE)
    await untilRows(page, '#workers tbody tr', 1)
    // The images belonged to the previous run.
    await page.waitForSelector('#predictions[hidden]')

    assert.deepEqual(problems, [])
    assert.deepEqual(
      requests.filter((url) => !url.startsWith(`http://${metrics}/`) && !url.startsWith('data:')),
      [],
    )
    await page.close()
  })

  it('shows the final state on open pages, and becomes a self-contained file afterwards', async () => {
    const run = ['--recipe', 'quick', '--data', tiny.directory, '--epochs', '20', '--json']
    const training = new Launch(['train', ...run, '--workers', '2'], tiny.environment, true)
    const { metrics } = await training.announcement()
    const live = await watchedPage(browser)
    await live.page.goto(new URL('/', metrics).href)
    const result = await training.result()
    await live.page.waitForFunction(() => document.title.includes('finished'), PATIENCE)
    assert.match(await textOf(live.page, '#predicted'), /^180 test images after step/)
    assert.deepEqual(live.problems, [])
    await live.page.close()

    const runDirectory = String(result['runDirectory'])
    const report = await new Launch(['report', runDirectory, '--json'], tiny.environment).result()
    const { page, problems, requests } = await watchedPage(browser)
    await page.setOfflineMode(true)
    await page.goto(pathToFileURL(String(report['file'])).href)
    await page.waitForSelector('#confusion td.cell', PATIENCE)
    const { accuracy } = result['test'] as { accuracy: number }
    const share = `${(100 * accuracy).toFixed(1)} %`
    assert.ok((await textOf(page, '#state')).includes(share))
    assert.ok((await textOf(page, '#predicted')).includes(`accuracy ${share}`))
    // A report shows its settings expanded, with complete hashes.
    assert.ok((await textOf(page, '#settings')).includes(String(result['weightsSha256'])))
    const [loss] = await labelsOf(page, '#charts .uplot')
    assert.match(loss!, /batch \d.*validation \d/)
    const losses = (await training.metrics()).filter(({ kind }) => kind === 'step').map(({ loss: of }) => Number(of))
    for (const [key, smoothing] of [['Home', 0] as const, ['End', 0.98] as const]) {
      await page.focus('#smoothing')
      await page.keyboard.press(key)
      const expected = losses.reduce((mean, value) => smoothing * mean + (1 - smoothing) * value)
      const [lastStep, shown] = await readChart(page, 1)
      assert.equal(lastStep, losses.length)
      assert.ok(Math.abs(shown - expected) <= 1e-3, `smoothed by ${smoothing}: ${shown} is not ${expected}`)
    }
    assert.equal((await page.$$('#workers tbody tr')).length, 2)
    assert.match(await textOf(page, '#phases'), /forward backward \d/)
    await chooseSecond(page)
    assert.match(await textOf(page, '#blocks'), /stem[\s\S]*stage 3, block 1[\s\S]*prediction/)
    assert.equal((await labelsOf(page, '#kernels canvas')).length, 16)
    assert.deepEqual(await namelessParts(page), [])
    assert.deepEqual(await barriers(page), [])
    await resize(page, PHONE_WIDTH)
    assert.equal(await excessWidth(page), 0)
    await screenshots(page, 'report')
    assert.deepEqual(problems, [])
    assert.deepEqual(
      requests.filter((url) => !/^(file|data):/.test(url)),
      [],
    )

    // Where the images cannot be computed, the report states that in their place.
    const without = path.join(scratch, 'report.html')
    rmSync(path.join(runDirectory, 'inspection.json'))
    const noData = new Launch(['report', runDirectory, '--out', without], { CONVOY_CACHE: path.join(scratch, 'empty') })
    assert.equal(await noData.status(), 0)
    assert.match(noData.stderr, /shows no images: The data set tiny of this run is not in the cache/)
    await page.goto(pathToFileURL(without).href)
    await page.waitForSelector('#kernels canvas', PATIENCE)
    assert.match(await textOf(page, '#looking'), /could not be computed: The data set tiny/)
    training.remove()
    await page.close()
  })
})

describe('convoy status --open', () => {
  it('opens the report of a finished run', async () => {
    const run = path.join(scratch, 'over')
    const bin = path.join(scratch, 'bin')
    for (const directory of [run, bin]) mkdirSync(directory)
    writeFileSync(path.join(run, 'config.yaml'), '{}\n')
    writeFileSync(path.join(run, 'metrics.jsonl'), '{"time":1,"kind":"waiting"}\n{"time"')
    const opened = path.join(scratch, 'opened')
    writeFileSync(path.join(bin, 'xdg-open'), `#!/bin/sh\necho "$1" > ${opened}.new; mv ${opened}.new ${opened}\n`)
    chmodSync(path.join(bin, 'xdg-open'), 0o755)
    const status = new Launch(['status', run, '--open'], { PATH: `${bin}:${process.env['PATH']}` })
    assert.equal(await status.status(), 0)
    assert.match(status.stderr, /shows no images: .* holds no trained model/)
    assert.equal(status.stdout.trim(), path.join(run, 'report.html'))
    assert.match(readFileSync(status.stdout.trim(), 'utf8'), /No worker can compute/)

    const newest = new Launch(['status', '--runs-dir', scratch, '--open'], { PATH: `${bin}:${process.env['PATH']}` })
    assert.equal(await newest.status(), 0)
    assert.equal(newest.stdout, status.stdout)
    await until('the browser', () => existsSync(opened))
    assert.equal(readFileSync(opened, 'utf8'), status.stdout)

    writeFileSync(path.join(run, 'coordinator.json'), '{"pid":"x"}\n')
    const damaged = new Launch(['status', run])
    assert.equal(await damaged.status(), 2)
    assert.match(damaged.stderr, /^✖ .*coordinator\.json is damaged\. Remove it, or/)
  })
})

describe('convoy report', () => {
  it('names the file that it cannot read', async () => {
    const nothing = new Launch(['report', scratch])
    assert.equal(await nothing.status(), 2)
    assert.match(nothing.stderr, /is no run directory: it lacks metrics\.jsonl/)

    writeFileSync(path.join(scratch, 'config.yaml'), '{}\n')
    writeFileSync(path.join(scratch, 'metrics.jsonl'), '{"time":1,"kind":"waiting"}\n{]\n{"time"')
    const damaged = new Launch(['report', scratch])
    assert.equal(await damaged.status(), 2)
    assert.match(damaged.stderr, /metrics\.jsonl, line 2, cannot be read: /)

    writeFileSync(path.join(scratch, 'metrics.jsonl'), '{"time":1,"kind":"step"}\n')
    const incomplete = new Launch(['report', scratch])
    assert.equal(await incomplete.status(), 2)
    assert.match(incomplete.stderr, /metrics\.jsonl, line 1, cannot be read: /)

    writeFileSync(path.join(scratch, 'metrics.jsonl'), '')
    for (const status of ['{', '[]', '{"workers":5}']) {
      writeFileSync(path.join(scratch, 'status.json'), status)
      const halfStatus = new Launch(['report', scratch])
      assert.equal(await halfStatus.status(), 2)
      assert.match(halfStatus.stderr, /^✖ .*status\.json cannot be read: .*remove it/)
    }
    rmSync(path.join(scratch, 'status.json'))
    writeFileSync(path.join(scratch, 'result.json'), '{"test":null}')
    const otherResult = new Launch(['report', scratch])
    assert.equal(await otherResult.status(), 2)
    assert.match(otherResult.stderr, /result\.json cannot be read: /)
  })
})

/** Waits for more steps. */
async function untilFurther(page: Page): Promise<void> {
  const step = await page.$eval('progress', ({ value }) => value)
  await page.waitForFunction((seen) => document.querySelector('progress')!.value > seen, PATIENCE, step)
}

async function untilRows(page: Page, selector: string, count: number): Promise<void> {
  await page.waitForFunction(
    (rows, wanted) => document.querySelectorAll(rows).length === wanted,
    PATIENCE,
    selector,
    count,
  )
}

/** Chooses the second sample by keyboard, and waits for its maps, which differ from those of the first. */
async function chooseSecond(page: Page): Promise<void> {
  const second = '#samples button:nth-child(2)'
  const maps = (): string =>
    [...document.querySelectorAll<HTMLCanvasElement>('#blocks canvas')].map((map) => map.toDataURL()).join()
  const before = await page.evaluate(maps)
  await page.focus(second)
  await page.keyboard.press('Enter')
  await page.waitForSelector(`${second}[aria-pressed=true]`, PATIENCE)
  await page.waitForFunction(
    (seen) =>
      [...document.querySelectorAll<HTMLCanvasElement>('#blocks canvas')].map((map) => map.toDataURL()).join() !== seen,
    PATIENCE,
    before,
  )
}

async function textOf(page: Page, selector: string): Promise<string> {
  return page.$eval(selector, (found) => (found as HTMLElement).innerText)
}

async function labelsOf(page: Page, selector: string): Promise<string[]> {
  return page.$$eval(selector, (all) => all.map((found) => found.getAttribute('aria-label') ?? ''))
}
