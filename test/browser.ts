import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Browser, Page } from 'puppeteer-core'
import puppeteer from 'puppeteer-core'
import { packageRoot } from '../src/shared/package-root.js'

/** The system's Chromium; undefined: there is none. */
export const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome']
  .map((name) => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim())
  .find((file) => file !== '')

/** Root, as in a container, has no sandbox; and a test asks nobody for anything. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  '--enable-blink-features=ComputedAccessibilityInfo',
]

/** A real browser without a window, with a profile that is new and deleted at the end. */
export async function openBrowser(): Promise<Browser> {
  return puppeteer.launch({ executablePath: CHROMIUM!, args: FLAGS })
}

/** A page, with all that it complains of and all that it asks others for. */
export interface WatchedPage {
  readonly page: Page
  /** Errors and warnings, other than that a server is gone, which a browser says by itself. */
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

/** Makes the window as wide as a phone, say, and waits until the charts have followed. */
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

/** What a screen reader would call nothing: controls and pictures without a name. */
export async function namelessParts(page: Page): Promise<string[]> {
  return page.$$eval('button, input, select, summary, progress, canvas, [role=img], [tabindex]', (parts) =>
    (parts as (Element & { computedName: string })[])
      .filter((part) => part.checkVisibility() && part.closest('[aria-hidden=true], [role=img] *') === null)
      .filter(({ computedName }) => computedName === '')
      .map(({ outerHTML }) => outerHTML.slice(0, 80)),
  )
}

/** A picture for people to look at: `coverage/screenshots/<name>-<wide|phone>-<light|dark>.png`, the whole page. */
export async function screenshots(page: Page, name: string): Promise<void> {
  const directory = path.join(packageRoot, 'coverage', 'screenshots')
  mkdirSync(directory, { recursive: true })
  for (const [size, width] of [['wide', 1280] as const, ['phone', 390] as const]) {
    await resize(page, width)
    for (const scheme of ['light', 'dark']) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
      await page.screenshot({ path: path.join(directory, `${name}-${size}-${scheme}.png`), fullPage: true })
    }
  }
}
