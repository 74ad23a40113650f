import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { packageRoot } from '../shared/package-root.js'
import type { Snapshot } from './page-state.js'
import { EMBEDDED_ID } from './page-state.js'

export interface PageFile {
  readonly type: string
  readonly content: Buffer
}

const MODULES = [
  'main',
  'charts',
  'dom',
  'evaluation-view',
  'format',
  'log-view',
  'phase-view',
  'run-view',
  'worker-view',
] as const
const UPLOT = path.dirname(createRequire(import.meta.url).resolve('uplot'))

const JAVASCRIPT = 'text/javascript; charset=utf-8'
const CSS = 'text/css; charset=utf-8'

/** Beside `/`: everything that the page asks for, by path. */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  return new Map([
    ['/page.css', { type: CSS, content: readFileSync(source('page.css')) }],
    ['/uplot.css', { type: CSS, content: readFileSync(path.join(UPLOT, 'uPlot.min.css')) }],
    ['/uplot.js', { type: JAVASCRIPT, content: readFileSync(path.join(UPLOT, 'uPlot.esm.js')) }],
    ...MODULES.map((name) => [`/${name}.js`, { type: JAVASCRIPT, content: readFileSync(compiled(name)) }] as const),
  ])
}

const IMPORT_MAP = JSON.stringify({ imports: { uplot: './uplot.js' } })

/** The page that `/` answers, and the policy that allows nothing but what it brings. */
export function livePage(): { readonly html: string; readonly policy: string } {
  const html = page({
    styles: '<link rel="stylesheet" href="./uplot.css"><link rel="stylesheet" href="./page.css">',
    scripts: `<script type="importmap">${IMPORT_MAP}</script><script type="module" src="./main.js"></script>`,
  })
  const hash = createHash('sha256').update(IMPORT_MAP).digest('base64')
  return {
    html,
    // uPlot sizes its elements by style attributes.
    policy: `default-src 'self'; script-src 'self' 'sha256-${hash}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'`,
  }
}

/** One file that shows a run and needs nothing else, neither a server nor a network. */
export function reportPage(snapshot: Snapshot): string {
  const files = pageFiles()
  const text = (name: string): string => files.get(name)!.content.toString()
  // A module out of a data: URL has no siblings: bare names, and a map from them to more data: URLs.
  const asData = (javascript: string): string =>
    `data:text/javascript;base64,${Buffer.from(javascript.replaceAll(/from '\.\/([\w-]+)\.js'/g, "from '#$1'")).toString('base64')}`
  const imports = Object.fromEntries([
    ['uplot', asData(text('/uplot.js'))],
    ...MODULES.map((name) => [`#${name}`, asData(text(`/${name}.js`))]),
  ]) as Record<string, string>
  const json = JSON.stringify(snapshot).replaceAll('<', '\\u003c')
  return page({
    styles: `<style>${text('/uplot.css')}</style><style>${text('/page.css')}</style>`,
    scripts:
      `<script type="application/json" id="${EMBEDDED_ID}">${json}</script>` +
      `<script type="importmap">${JSON.stringify({ imports })}</script><script type="module">import '#main'</script>`,
  })
}

function page(parts: { styles: string; scripts: string }): string {
  return readFileSync(source('page.html'), 'utf8')
    .replace('<!-- styles -->', () => parts.styles)
    .replace('<!-- scripts -->', () => parts.scripts)
}

/** Of files that tsc does not touch. */
function source(name: string): string {
  return path.join(packageRoot, 'src', 'dashboard', 'browser', name)
}

function compiled(name: string): string {
  return path.join(packageRoot, 'dist', 'src', 'dashboard', 'browser', `${name}.js`)
}
