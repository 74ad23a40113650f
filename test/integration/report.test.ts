import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'puppeteer-core'
import { barriers, CHROMIUM, excessWidth, openBrowser, resize, screenshots, watchedPage } from '../support/browser.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'

const PATIENCE = { timeout: 120_000 }
const PHONE_WIDTHS = [320, 360, 390, 414]
const SHA256 = /\b[0-9a-f]{64}\b/g
const ENDLESS = ['--epochs', '100000']
const HOSTILE_NAMES = [
  '<img src=x onerror="document.title=1">',
  'long'.repeat(60),
  'قطة صغيرة',
  '😺\u202e\u0000</script><script>document.title=2</script>',
]

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-report-'))
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

describe('the report of a run', { skip: CHROMIUM === undefined && 'chromium is not installed' }, () => {
  let browser: Browser
  let result: Json
  let finished: string
  before(async () => {
    browser = await openBrowser()
    const run = ['--epochs', '4', '--label-smoothing', '0.1', '--set', 'clipNorm=5', '--json']
    const training = train(run)
    result = await training.result()
    finished = path.join(scratch, 'finished')
    cpSync(String(result['runDirectory']), finished, { recursive: true })
    // Computes the inspection once; copies of the directory contain it.
    await reportOf(finished)
  })
  after(async () => browser.close())

  it('begins with the test accuracy in the largest font, and names its weights and number of images', async () => {
    const page = await opened(finished)
    const { accuracy, loss, samples } = result['test'] as { accuracy: number; loss: number; samples: number }
    const [largest] = (await visibleTexts(page)).toSorted((a, b) => b.size - a.size)
    assert.equal(largest!.text, shareOf(accuracy))
    const text = await wholeText(page)
    const right = Math.round(accuracy * samples)
    assert.match(
      text,
      new RegExp(`Test accuracy\\s+${shareOf(accuracy)}\\s+${right} of ${samples} test images correct; best weights`),
    )
    inOrder(text, [
      'Test accuracy',
      'Best validation accuracy',
      'Test loss',
      loss.toFixed(4),
      'Hyperparameters',
      'Data set',
    ])
    assert.match(text, /Finished after 27 of 27 steps/)
    const [, best] = await page.$$eval('#result .value', (all) => all.map(({ textContent }) => textContent))
    assert.equal(best, shareOf((result['validation'] as { accuracy: number }).accuracy))
    await screenshots(page, 'finished-report')
    await page.close()
  })

  it('describes the run: hyperparameters in words, data set, command, dates, software, hardware, weights', async () => {
    const page = await opened(finished)
    const text = await wholeText(page)
    for (const part of [
      /Network\s+resnet8/,
      /Parameters\s+15\d,\d{3}/,
      /Optimizer\s+SGD, Nesterov momentum 0\.9/,
      /Learning rate\s+one cycle: from 0\.08 up to 0\.8 in the first 20 % of the steps, then down to 0\.0008/,
      /Epochs\s+4 \(27 steps\)/,
      /Batch\s+128 images in 4 shards of 32/,
      /Precision\s+float32/,
      /Label smoothing\s+0\.1/,
      /Gradient clipping\s+to an L2 norm of 5/,
      /Weight regularisation\s+L2, 0\.0001/,
      /Augmentation\s+half of the images mirrored, rotation by up to ±20°, zoom by up to ±10 %/,
      /Seed\s+1\b/,
      /Name\s+tiny/,
      /Images\s+1,200, 16 wide × 16 high, 1 channel\b/,
      /Split\s+train 840, validation 180, test 180/,
      /Classes\s+4:\s+0\s+1\s+2\s+3/,
      /Command\s+convoy train --recipe quick --data \S+ --epochs 4 --label-smoothing 0\.1 --set clipNorm=5 --json/,
      /Started\s+\d{1,2} \w{3,4} \d{4}, \d\d:\d\d:\d\d [A-Z]{3}/,
      /Ended\s+\d{1,2} \w{3,4} \d{4}, \d\d:\d\d:\d\d [A-Z]{3}/,
      /Duration\s+\d+ (s|min)/,
      /Speed\s+[\d,]+ samples\/s/,
      /Software\s+Convoy \d\S*, Node \d\S+, TensorFlow \d/,
      /Coordinator's machine\s+.*\d cores?, .*memory/,
      /Best weights\s+after step \d+; validation accuracy [\d.]+ %, loss [\d.]+; sha256\s+[0-9a-f]{64}/,
      /Last weights\s+after step 27; validation accuracy [\d.]+ %, loss [\d.]+; sha256\s+[0-9a-f]{64}/,
    ])
      assert.match(text, part)
    assert.ok(text.includes(String(result['datasetFingerprint'])))
    assert.ok(text.match(SHA256)!.includes(String(result['weightsSha256'])))
    // The dates on the page equal those of the files.
    const { startedAt } = readJson(finished, 'environment.json')
    assert.ok(Math.abs(Date.parse(String(startedAt)) - Date.now()) < 3_600_000)
    await page.close()
  })

  it('has no elements that only make sense during a run', async () => {
    const page = await opened(finished)
    // A line of the log, where a slow machine took long to start the workers.
    const text = (await wholeText(page)).replace(/Waiting for \d workers? to start/g, '')
    assert.doesNotMatch(text, /\bago\b|look now|trying again|time left|\bready\b|\bbusy\b|waiting/i)
    const live = 'progress, #look, #connection'
    const seen = await page.$$eval(live, (all) => all.filter((part) => part.checkVisibility()).map(({ id }) => id))
    assert.deepEqual(seen, [])
    const heads = await page.$$eval('#workers thead th', (all) => all.map(({ textContent }) => textContent))
    for (const head of ['Hardware', 'Joined', 'Left', 'Training shards', 'Share']) assert.ok(heads.includes(head), head)
    const rows = await page.$$eval('#workers tbody tr', (all) => all.map((row) => (row as HTMLElement).innerText))
    assert.equal(rows.length, 2)
    const shards = rows.map((row) => Number(/at the end\s+.*?\s+(\d+)\s+[\d.]+ %/.exec(row)?.[1]))
    // The shards of the two workers add up to those of all steps.
    assert.equal(shards[0]! + shards[1]!, 27 * 4)
    await page.close()
  })

  it('names the axes of its charts, and shows the last values without a pointer', async () => {
    const page = await opened(finished)
    const text = await wholeText(page)
    assert.doesNotMatch(text, /--(?![a-z])/)
    for (const name of [/cross-entropy \(nats\)/, /accuracy \(%\)/, /↑ learning rate/, /samples per second/])
      assert.match(text, name)
    assert.equal(text.match(/step →/g)?.length, 4)
    const legends = await page.$$eval('.u-value', (all) => all.map(({ textContent }) => textContent))
    assert.equal(legends.length, 10)
    for (const legend of legends) assert.match(legend, /^[\d,.]+$/)
    assert.equal(legends[0], '27')
    await page.close()
  })

  it('cuts no word on a phone, for any names of classes and workers', async () => {
    const strange = copyOf(finished, 'strange')
    rewriteLines(strange, (line) => {
      if (line['kind'] === 'started') (line['dataset'] as Json)['classNames'] = HOSTILE_NAMES
      const worker = line['worker'] as Json | undefined
      if (worker) worker['name'] = `<b>${'worker'.repeat(20)}</b>`
      return true
    })
    for (const run of [finished, strange]) {
      const page = await opened(run)
      for (const width of PHONE_WIDTHS) {
        await resize(page, width)
        assert.equal(await excessWidth(page), 0, `${width}`)
        assert.deepEqual(await cutTexts(page), [], `${width}`)
        if (run === finished) assert.deepEqual(await brokenWords(page), [], `${width}`)
      }
      await resize(page, 1280)
      assert.equal(await excessWidth(page), 0)
      assert.deepEqual(await cutTexts(page), [])
      assert.match(await page.title(), /^100\.0 % finished/)
      assert.deepEqual(await page.$$eval('body img, #workers b, #confusion script', (all) => all.length), 0)
      assert.deepEqual(await barriers(page), [])
      await page.close()
    }
  })

  it('is readable on paper', async () => {
    const page = await opened(finished)
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }])
    await page.emulateMediaType('print')
    // The width between the margins of A4, at 96 pixels an inch.
    await page.setViewport({ width: 718, height: 1000 })
    const ground = await page.$eval('body', (body) => getComputedStyle(body).backgroundColor)
    assert.equal(ground, 'rgb(255, 255, 255)')
    const hidden = await page.$$eval('.wide, #log', (boxes) =>
      boxes
        .filter((box) => box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1)
        .map(({ id }) => id),
    )
    assert.deepEqual(hidden, [])
    assert.equal(await page.$eval('#smoothing', (control) => control.checkVisibility()), false)
    const pdf = await page.pdf({ format: 'A4' })
    assert.ok(pdf.length > 10_000)
    await page.close()
  })

  it('distinguishes stopped, interrupted and failed runs from finished ones', async () => {
    const stopped = train([...ENDLESS, '--json'])
    await stopped.untilMetrics(({ kind }) => kind === 'evaluated')
    await new Launch(['stop', '--admin', (await stopped.announcement()).adminAddress], tiny.environment).status()
    const { runDirectory, steps } = (await stopped.result()) as { runDirectory: string; steps: number }
    const first = await opened(runDirectory)
    assert.match(
      await wholeText(first),
      new RegExp(`Stopped early after ${steps} of [\\d,]+ steps: [\\d.]+ % on the test`),
    )
    await first.close()

    const interrupted = train(ENDLESS)
    await interrupted.untilMetrics(({ kind }) => kind === 'evaluated')
    interrupted.terminate()
    assert.equal(await interrupted.status(), 0)
    const second = await opened((await interrupted.announcement()).runDirectory)
    const text = await wholeText(second)
    assert.match(text, /Stopped early after [\d,]+ of [\d,]+ steps\. By SIGTERM\./)
    assert.match(text, /Test accuracy\s+not measured\s+the run was stopped before its test/)
    assert.match(text, /Best validation accuracy\s+[\d.]+ %\s+\d+ of 180 validation images correct; best weights/)
    assert.match(text, /Last weights\s+after step [\d,]+;.* sha256\s+[0-9a-f]{64}/)
    await second.close()

    const failed = train([...ENDLESS, '--set', 'schedule.peak=100', '--set', 'schedule.initial=1'])
    assert.equal(await failed.status(), 1)
    const third = await opened((await failed.announcement()).runDirectory)
    const why = await wholeText(third)
    assert.match(why, /Failed after \d+ of [\d,]+ steps\. Step \d+.*learning rate/)
    assert.match(why, /Best validation accuracy\s+not measured\s+the run ended before its first validation/)
    assert.deepEqual(await barriers(third), [])
    await third.close()
  })

  it('marks missing facts of a killed run and of an older version as not recorded', async () => {
    const killed = copyOf(finished, 'killed')
    for (const file of ['status.json', 'result.json', 'environment.json', 'model', 'inspection.json'])
      rmSync(path.join(killed, file), { recursive: true })
    rewriteLines(killed, ({ kind }) => !['evaluated', 'finished'].includes(String(kind)))
    const first = await opened(killed)
    assert.match(await wholeText(first), /No end was recorded after 27 of 27 steps/)
    assert.match(await wholeText(first), /Command\s+not recorded/)
    await first.close()

    const old = copyOf(finished, 'old')
    rewriteJson(old, 'environment.json', ({ startedAt: _, ...rest }) => rest)
    rewriteJson(old, 'status.json', ({ end: _, workers, ...rest }) => ({
      ...{ ...rest, state: 'finished' },
      workers: (workers as Json[]).map(({ samples: __, ...worker }) => worker),
    }))
    rewriteJson(old, 'result.json', ({ weights: _, ...rest }) => {
      const withoutWeights = (split: unknown): Json => {
        const { weights: __, ...measured } = split as Json
        return measured
      }
      return { ...rest, validation: withoutWeights(rest['validation']), test: withoutWeights(rest['test']) }
    })
    const confusion = [
      [40, 5, 0, 0],
      [1, 30, 9, 0],
      [0, 0, 45, 0],
      [2, 3, 4, 41],
    ]
    rewriteLines(old, (line) => {
      if (line['kind'] === 'evaluated') (line['result'] as Json)['confusion'] = confusion
      return true
    })
    const second = await opened(old)
    const text = await wholeText(second)
    const cells = await second.$$eval('#confusion td.cell', (all) => all.map(({ textContent }) => Number(textContent)))
    assert.deepEqual(cells, confusion.flat(), 'a row a label, a column a prediction')
    // First class: recall 40 of 45, precision 40 of 43.
    assert.match(text, /88\.9 % · 93\.0 %/)
    assert.match(text, /Finished after 27 of 27 steps/)
    // The hash of the best weights equals that of the file.
    assert.match(text, /Best weights\s+after step \d+; .* sha256\s+[0-9a-f]{64}/)
    assert.match(text, /Shards/)
    await second.close()

    const empty = copyOf(killed, 'empty')
    rewriteLines(empty, () => false)
    const third = await opened(empty)
    assert.match(await wholeText(third), /Not begun when this report was written/)
    await third.close()
  })

  it('prints its numbers as JSON for scripts', async () => {
    const summary = await reportOf(finished)
    assert.equal((summary['end'] as Json)['kind'], 'finished')
    const { accuracy } = result['test'] as { accuracy: number }
    assert.equal((summary['outcome'] as Json)['testAccuracy'], accuracy)
    const { last } = summary['weights'] as { last: Json }
    assert.equal(last['sha256'], result['weightsSha256'])
    assert.equal((summary['workers'] as Json[]).length, 2)
  })

  /** Opens the report in a browser, and asserts that it has no problems and no placeholder text. */
  async function opened(run: string): Promise<Page> {
    const { file } = await reportOf(run)
    const { page, problems } = await watchedPage(browser)
    await page.goto(pathToFileURL(String(file)).href)
    await page.waitForFunction(() => document.getElementById('state')!.textContent !== '', PATIENCE)
    assert.deepEqual(problems, [])
    const labels = await page.evaluate(() =>
      [...document.querySelectorAll('body *')].flatMap((part) =>
        ['title', 'aria-label'].map((name) => part.getAttribute(name) ?? ''),
      ),
    )
    for (const text of [await wholeText(page), ...labels])
      assert.doesNotMatch(
        text,
        /undefined|NaN|Infinity|\[object|\bnull\b|Invalid Date|\b1 (workers|images|steps|shards)\b/,
      )
    return page
  }
})

/** Trains on the tiny data set with two workers; the run directory is kept until the end. */
function train(args: readonly string[]): Launch {
  return new Launch(['train', '--recipe', 'quick', '--data', tiny.directory, ...args], tiny.environment, true)
}

/** What `convoy report --json` prints. */
async function reportOf(run: string): Promise<Json> {
  return new Launch(['report', run, '--json'], tiny.environment).result()
}

function shareOf(value: number): string {
  return `${(100 * value).toFixed(1)} %`
}

function inOrder(text: string, parts: readonly string[]): void {
  const places = parts.map((part) => text.indexOf(part))
  assert.ok(!places.includes(-1), `${parts.filter((_, index) => places[index] === -1).join()} is missing`)
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  )
}

function copyOf(run: string, name: string): string {
  const directory = path.join(scratch, name)
  cpSync(run, directory, { recursive: true })
  return directory
}

function readJson(directory: string, name: string): Json {
  return JSON.parse(readFileSync(path.join(directory, name), 'utf8')) as Json
}

function rewriteJson(directory: string, name: string, change: (value: Json) => Json): void {
  writeFileSync(path.join(directory, name), JSON.stringify(change(readJson(directory, name))))
}

/** Rewrites metrics.jsonl. @param change changes a line in place; false removes the line */
function rewriteLines(directory: string, change: (line: Json) => boolean): void {
  const file = path.join(directory, 'metrics.jsonl')
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  const kept = lines.map((line) => JSON.parse(line) as Json).filter((line) => change(line))
  writeFileSync(file, kept.map((line) => `${JSON.stringify(line)}\n`).join(''))
}

async function wholeText(page: Page): Promise<string> {
  return page.$eval('body', ({ innerText }) => innerText)
}

/** Texts of their own elements, with font sizes. */
async function visibleTexts(page: Page): Promise<{ readonly text: string; readonly size: number }[]> {
  return page.$$eval('body *', (parts) =>
    parts
      .filter((part) => part.children.length === 0 && part.checkVisibility() && part.textContent.trim() !== '')
      .map((part) => ({ text: part.textContent.trim(), size: parseFloat(getComputedStyle(part).fontSize) })),
  )
}

/** Texts that overflow their box without scrolling, or end in an ellipsis. */
async function cutTexts(page: Page): Promise<string[]> {
  return page.$$eval('body *', (parts) =>
    parts
      .filter((part) => part.checkVisibility() && part.closest('.unseen, canvas, [aria-hidden=true]') === null)
      .filter((part) => {
        const { display, overflowX, textOverflow } = getComputedStyle(part)
        if (display === 'inline' || part.textContent.trim() === '') return false
        const isTooWide = part.scrollWidth > part.clientWidth + 1
        return isTooWide ? !['auto', 'scroll'].includes(overflowX) : textOverflow === 'ellipsis'
      })
      .map(({ outerHTML }) => outerHTML.slice(0, 100)),
  )
}

/** Ordinary words that continue on the next line, other than hashes, paths and commands. */
async function brokenWords(page: Page): Promise<string[]> {
  return page.$$eval('body *', (parts) => {
    const broken: string[] = []
    for (const part of parts) {
      if (!part.checkVisibility() || part.closest('code, #log, .unseen') !== null) continue
      for (const node of part.childNodes) {
        if (node.nodeType !== Node.TEXT_NODE) continue
        for (const { 0: word, index } of node.textContent!.matchAll(/[\p{L}\p{N}.,]{3,24}/gu)) {
          const range = document.createRange()
          range.setStart(node, index)
          range.setEnd(node, index + word.length)
          const tops = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)))
          if (tops.size > 1) broken.push(word)
        }
      }
    }
    return broken
  })
}
