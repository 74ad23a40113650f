import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { packageRoot } from '../../shared/package-root.js'
import type { Inspection } from './inspection.js'
import type { Snapshot } from './page-state.js'

export interface PageFile {
  readonly type: string
  readonly content: Buffer
}

const UPLOT = path.dirname(createRequire(import.meta.url).resolve('uplot'))

const JAVASCRIPT = 'text/javascript; charset=utf-8'
const CSS = 'text/css; charset=utf-8'

/** The files of the page besides `/`, by path. */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  return new Map([
    ['/page.css', { type: CSS, content: readFileSync(source('page.css')) }],
    ['/uplot.css', { type: CSS, content: readFileSync(path.join(UPLOT, 'uPlot.min.css')) }],
    ['/uplot.js', { type: JAVASCRIPT, content: readFileSync(path.join(UPLOT, 'uPlot.esm.js')) }],
    ...moduleNames().map(
      (name) => [`/${name}.js`, { type: JAVASCRIPT, content: readFileSync(compiled(name)) }] as const,
    ),
  ])
}

const IMPORT_MAP = JSON.stringify({ imports: { uplot: './uplot.js' } })

/** The page at `/`, and a policy that allows only its own files. */
export function livePage(): { readonly html: string; readonly policy: string } {
  const html = page({
    styles: '<link rel="stylesheet" href="./uplot.css"><link rel="stylesheet" href="./page.css">',
    scripts: `<script type="importmap">${IMPORT_MAP}</script><script type="module" src="./main.js"></script>`,
    noscript: 'This page needs JavaScript. The same numbers are at <a href="/metrics">/metrics</a>.',
  })
  return {
    html,
    policy:
      `default-src 'none'; script-src 'self' ${hashOf(IMPORT_MAP)}; style-src 'self'; connect-src 'self'; img-src data:; ` +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  }
}

/** One self-contained file that shows a run, without server or network. */
export function reportPage(snapshot: Snapshot, inspection?: Inspection): string {
  const files = pageFiles()
  const text = (name: string): string => files.get(name)!.content.toString()
  // A module out of a data: URL has no siblings: bare names, and a map from them to more data: URLs.
  const asData = (javascript: string): string =>
    `data:text/javascript;base64,${Buffer.from(javascript.replaceAll(/from '\.\/([\w-]+)\.js'/g, "from '#$1'")).toString('base64')}`
  const imports = Object.fromEntries([
    ['uplot', asData(text('/uplot.js'))],
    ...moduleNames().map((name) => [`#${name}`, asData(text(`/${name}.js`))]),
  ]) as Record<string, string>
  const importMap = JSON.stringify({ imports })
  const start = "import '#main'"
  const styles = [text('/uplot.css'), text('/page.css')]
  const policy =
    `default-src 'none'; script-src data: ${hashOf(importMap)} ${hashOf(start)}; style-src ${styles.map(hashOf).join(' ')}; ` +
    "img-src data:; base-uri 'none'; form-action 'none'"
  return page({
    styles:
      `<meta http-equiv="content-security-policy" content="${policy}">` +
      styles.map((style) => `<style>${style}</style>`).join(''),
    scripts:
      embedded('snapshot', snapshot) +
      (inspection === undefined ? '' : embedded('inspection', inspection)) +
      `<script type="importmap">${importMap}</script><script type="module">${start}</script>`,
    noscript: 'This report needs JavaScript. Its numbers are in result.json and metrics.jsonl of the run directory.',
  })
}

/** Data for the page, escaped so that it cannot end its element. */
function embedded(id: string, data: object): string {
  return `<script type="application/json" id="${id}">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>`
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

function page(parts: { styles: string; scripts: string; noscript: string }): string {
  return readFileSync(source('page.html'), 'utf8')
    .replace('<!-- styles -->', () => parts.styles)
    .replace('<!-- noscript -->', () => parts.noscript)
    .replace('<!-- scripts -->', () => parts.scripts)
}

/** From the sources: the compiled modules may include deleted ones. */
function moduleNames(): string[] {
  return readdirSync(source(''))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -'.ts'.length))
}

/** Path of a file that tsc does not compile. */
function source(name: string): string {
  return path.join(packageRoot, 'src', 'reporting', 'page', 'browser', name)
}

function compiled(name: string): string {
  return path.join(packageRoot, 'dist', 'src', 'reporting', 'page', 'browser', `${name}.js`)
}
