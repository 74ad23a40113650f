import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import axe from 'axe-core'
import type { Browser, Page } from 'puppeteer-core'
import puppeteer from 'puppeteer-core'
import { packageRoot } from '../../src/shared/package-root.js'

/** The system's Chromium; undefined without one. */
export const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome']
  .map((name) => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim())
  .find((file) => file !== '')

const SCHEMES = ['light', 'dark']

/** Root, as in a container, has no sandbox; a test makes no background requests. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  '--enable-blink-features=ComputedAccessibilityInfo',
]

/** A real headless browser with a new profile, which is deleted at the end. */
export async function openBrowser(): Promise<Browser> {
  return puppeteer.launch({ executablePath: CHROMIUM!, args: FLAGS })
}

/** A page with its reported problems and its requests. */
export interface WatchedPage {
  readonly page: Page
  /** Errors and warnings, except those about an unreachable server, which the browser itself reports. */
  readonly problems: string[]
  readonly requests: string[]
}

export async function watchedPage(browser: Browser): Promise<WatchedPage> {
  const page = await browser.newPage()
  const problems: string[] = []
  const requests: string[] = []
  page.on('console', (message) => {
    const isOfPage = !message.text().includes('net::ERR_')
    if (isOfPage && (message.type() === 'error' || message.type() === 'warn')) problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(String(error)))
  page.on('request', (request) => requests.push(request.url()))
  await page.setViewport({ width: 1280, height: 900 })
  return { page, problems, requests }
}

/** Sets the width of the window, and waits until the charts have followed. */
export async function resize(page: Page, width: number): Promise<void> {
  await page.setViewport({ width, height: 900 })
  await page.waitForFunction(() =>
    [...document.querySelectorAll('#charts figure')].every(
      (figure) => figure.querySelector('canvas')!.getBoundingClientRect().width === figure.clientWidth,
    ),
  )
}

/** Pixels by which the page is wider than the window. */
export async function excessWidth(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}

/** Controls and images without a name for screen readers. */
export async function namelessParts(page: Page): Promise<string[]> {
  return page.$$eval('button, input, select, summary, progress, canvas, [role=img], [tabindex]', (parts) =>
    (parts as (Element & { computedName: string })[])
      .filter((part) => part.checkVisibility() && part.closest('[aria-hidden=true], [role=img] *') === null)
      .filter(({ computedName }) => computedName === '')
      .map(({ outerHTML }) => outerHTML.slice(0, 80)),
  )
}

/** Violations found by axe-core in either colour scheme: contrast, roles, names, headings, landmarks. */
export async function barriers(page: Page): Promise<string[]> {
  const found: string[] = []
  for (const scheme of SCHEMES) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
    await page.evaluate(axe.source)
    const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run())
    for (const { id, help, nodes } of violations)
      found.push(`${scheme}: ${help} (${id}): ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
  }
  return found
}

/** A point in the first chart. @param share of its width, from the left */
async function placeInChart(page: Page, share: number): Promise<{ readonly x: number; readonly y: number }> {
  return page.$eval(
    '#charts .u-over',
    (area, part) => {
      area.scrollIntoView({ block: 'center' })
      const { left, top, width, height } = area.getBoundingClientRect()
      return { x: left + 1 + part * (width - 2), y: top + height / 2 }
    },
    share,
  )
}

/** The first chart's legend at a point: the step, and the value of the first line. */
export async function readChart(page: Page, share: number): Promise<readonly [number, number]> {
  // The line of the pointer is visible while the legend shows its position; otherwise it shows the last step.
  const pointed = (isThere: boolean): Promise<unknown> =>
    page.waitForFunction(
      (wanted) => !document.querySelector('#charts .u-cursor-x')!.classList.contains('u-off') === wanted,
      { timeout: 10_000 },
      isThere,
    )
  const { x, y } = await placeInChart(page, share)
  await page.mouse.move(0, 0)
  await pointed(false)
  await page.mouse.move(x, y)
  await pointed(true)
  const texts = await page.$$eval('#charts figure:first-child .u-value', (all) => all.map((one) => one.textContent))
  const [step, value] = texts.map((text) => Number(text.replaceAll(',', '')))
  return [step!, value!]
}

/** Zooms the first chart by dragging. */
export async function zoomChart(page: Page, from: number, to: number): Promise<void> {
  const [begin, end] = [await placeInChart(page, from), await placeInChart(page, to)]
  await page.mouse.move(begin.x, begin.y)
  await page.mouse.down()
  await page.mouse.move(end.x, end.y, { steps: 5 })
  await page.mouse.up()
}

export async function unzoomChart(page: Page): Promise<void> {
  const { x, y } = await placeInChart(page, 0.5)
  await page.mouse.click(x, y, { count: 2 })
}

/** Saves screenshots of the whole page for review: `coverage/screenshots/<name>-<wide|phone>-<light|dark>.png`. */
export async function screenshots(page: Page, name: string): Promise<void> {
  const directory = path.join(packageRoot, 'coverage', 'screenshots')
  mkdirSync(directory, { recursive: true })
  for (const [size, width] of [['wide', 1280] as const, ['phone', 390] as const]) {
    await resize(page, width)
    for (const scheme of SCHEMES) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
      await page.screenshot({ path: path.join(directory, `${name}-${size}-${scheme}.png`), fullPage: true })
    }
  }
}
