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

/** A real browser without a window. */
export async function openBrowser(): Promise<Browser> {
  // Root, as in a container, has no sandbox.
  return puppeteer.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox', '--disable-gpu'] })
}

/** A page, with all that it complains of and all that it asks others for. */
export async function watchedPage(browser: Browser): Promise<{ page: Page; problems: string[]; requests: string[] }> {
  const page = await browser.newPage()
  const problems: string[] = []
  const requests: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warn') problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(String(error)))
  page.on('request', (request) => requests.push(request.url()))
  return { page, problems, requests }
}

/** A picture for people to look at: `coverage/screenshots/<name>.png`. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const directory = path.join(packageRoot, 'coverage', 'screenshots')
  mkdirSync(directory, { recursive: true })
  await page.screenshot({ path: path.join(directory, `${name}.png`), fullPage: true })
}
