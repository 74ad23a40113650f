import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'puppeteer-core'
import { CHROMIUM, openBrowser, screenshot, watchedPage } from './browser.js'
import { tinyDataset } from './chaos/tiny-dataset.js'
import { freePort } from './free-port.js'
import { killLaunches, Launch } from './launch.js'

const PATIENCE = { timeout: 60_000 }
const ANY = '127.0.0.1:0'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-page-'))
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

describe('the live page', { skip: CHROMIUM === undefined && 'chromium is not installed' }, () => {
  let browser: Browser
  before(async () => {
    browser = await openBrowser()
  })
  after(async () => browser.close())

  it('shows a run while it goes on, and the next one after its coordinator died', async () => {
    const pagePort = await freePort()
    const [listen, metrics] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${pagePort}`]
    const start = (seed: number): Launch => {
      const run = ['--recipe', 'quick', '--data', tiny.directory, '--epochs', '100000', '--seed', `${seed}`]
      const where = ['--listen', listen, '--admin-listen', ANY, '--metrics-listen', metrics]
      return new Launch(['coordinator', ...run, ...where], tiny.environment)
    }
    const first = start(11)
    await first.announcement()
    for (const name of ['ada', 'bob']) new Launch(['worker', '--join', listen, '--name', name], tiny.environment)
    const { page, problems, requests } = await watchedPage(browser)
    await page.setViewport({ width: 1280, height: 900 })
    await page.goto(`http://${metrics}/`)

    await page.waitForFunction(() => document.querySelectorAll('#workers tbody tr').length === 2, PATIENCE)
    const step = await page.$eval('progress', ({ value }) => value)
    await page.waitForFunction((seen) => document.querySelector('progress')!.value > seen, PATIENCE, step)
    await page.waitForSelector('#confusion td.cell', PATIENCE)
    assert.match(await textOf(page, '#title'), /^resnet8 on /)
    assert.match(await page.title(), /% (training|evaluating) · Convoy$/)
    const figures = await page.$$eval('#charts figure', (all) => all.map((figure) => figure.getAttribute('aria-label')))
    assert.equal(figures.length, 4)
    for (const figure of figures) assert.match(figure!, /(batch|rate|images\/s) \d/)
    assert.match(await textOf(page, '#phases'), /forward backward \d/)
    assert.match(await textOf(page, '#workers'), /ada[\s\S]*bob/)
    assert.match(await textOf(page, '#traffic'), /weights sent[\s\S]*shared memory/)
    assert.match(await textOf(page, '#log'), /\(ada, .*\) joined; \d now/)
    await screenshot(page, 'live-light')

    // On a phone, in the dark: nothing sticks out.
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }])
    await page.setViewport({ width: 390, height: 844 })
    await page.waitForFunction(() => document.querySelector('#charts canvas')!.getBoundingClientRect().width < 390)
    const excess = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    )
    assert.equal(excess, 0)
    await screenshot(page, 'live-dark-phone')

    first.kill()
    await page.waitForSelector('#connection:not([hidden])', PATIENCE)
    // What a browser itself says of a server that is gone is no fault of the page.
    const own = problems.filter((problem) => !problem.includes('net::ERR_'))
    assert.deepEqual(own, [])
    const second = start(12)
    await second.announcement()
    await page.waitForSelector('#connection[hidden]', PATIENCE)
    await page.waitForFunction(() => /Seed\s+12/.test(document.getElementById('facts')!.innerText), PATIENCE)
    await page.waitForFunction(() => document.querySelectorAll('#workers tbody tr').length === 2, PATIENCE)

    assert.deepEqual(
      problems.filter((problem) => !problem.includes('net::ERR_')),
      [],
    )
    assert.ok(
      requests.every((url) => url.startsWith(`http://${metrics}/`)),
      requests.join('\n'),
    )
    await page.close()
  })

  it('is one file after the run, which needs no server', async () => {
    const run = ['--recipe', 'quick', '--data', tiny.directory, '--epochs', '20', '--json']
    const training = new Launch(['train', ...run, '--workers', '2'], tiny.environment, true)
    const result = await training.result()
    const report = await new Launch(['report', String(result['runDirectory']), '--json']).result()
    const { page, problems, requests } = await watchedPage(browser)
    await page.setOfflineMode(true)
    await page.setViewport({ width: 1280, height: 900 })
    await page.goto(pathToFileURL(String(report['file'])).href)
    await page.waitForSelector('#confusion td.cell', PATIENCE)
    const facts = await textOf(page, '#facts')
    assert.ok(facts.includes(String(result['weightsSha256']).slice(0, 16)))
    const { accuracy } = result['test'] as { accuracy: number }
    assert.ok((await textOf(page, '#state')).includes(`${(100 * accuracy).toFixed(1)} %`))
    const [loss] = await page.$$eval('#charts figure', (all) => all.map((figure) => figure.getAttribute('aria-label')))
    assert.match(loss!, /batch \d.*validation \d/)
    await screenshot(page, 'report')
    assert.deepEqual(problems, [])
    assert.deepEqual(
      requests.filter((url) => !/^(file|data):/.test(url)),
      [],
    )
    training.remove()
  })
})

describe('convoy report', () => {
  it('says what it cannot read', async () => {
    const nothing = new Launch(['report', scratch])
    assert.equal(await nothing.status(), 2)
    assert.match(nothing.stderr, /is no run directory: it lacks metrics\.jsonl/)

    writeFileSync(path.join(scratch, 'config.yaml'), '{}\n')
    writeFileSync(path.join(scratch, 'metrics.jsonl'), '{"time":1,"kind":"waiting"}\n{]\n{"time"')
    const damaged = new Launch(['report', scratch])
    assert.equal(await damaged.status(), 2)
    assert.match(damaged.stderr, /metrics\.jsonl, line 2 is not an event/)
  })
})

async function textOf(page: Page, selector: string): Promise<string> {
  return page.$eval(selector, (found) => (found as HTMLElement).innerText)
}
