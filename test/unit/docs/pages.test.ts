import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { packageRoot } from '../../../src/shared/package-root.js'

const docs = path.join(packageRoot, 'docs')
const INDEX = path.join(docs, 'README.md')
const pages = readdirSync(docs, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => path.join(docs, name))

interface Link {
  /** Target file; the page itself for a link within it. */
  readonly file: string
  /** Undefined for the whole page. */
  readonly anchor: string | undefined
}

/** Links to files of the repository. */
function linksIn(page: string): Link[] {
  const targets = Array.from(readFileSync(page, 'utf8').matchAll(/\]\(([^)\s]+)\)/g), ([, target]) => target!)
  return targets
    .filter((target) => !/^https?:/.test(target))
    .map((target) => {
      const [name, anchor] = target.split('#') as [string, string | undefined]
      return { file: name === '' ? page : path.resolve(path.dirname(page), name), anchor }
    })
}

/** The anchors that GitHub derives from a page's headings. */
function anchorsOf(page: string): string[] {
  const headings = Array.from(readFileSync(page, 'utf8').matchAll(/^#+ (.*)$/gm), ([, heading]) => heading!)
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

describe('docs', () => {
  it('list every page in docs/README.md', () => {
    const listed = linksIn(INDEX).map(({ file }) => file)
    assert.deepEqual(
      pages.filter((page) => page !== INDEX && !listed.includes(page)),
      [],
    )
  })

  it('link to files and headings that exist', () => {
    const broken = [
      ...pages,
      ...['README.md', 'SECURITY.md', 'CHANGELOG.md', 'CONTRIBUTING.md'].map((name) => path.join(packageRoot, name)),
    ].flatMap((page) =>
      linksIn(page)
        .filter(({ file, anchor }) => !existsSync(file) || (anchor !== undefined && !anchorsOf(file).includes(anchor)))
        .map(({ file, anchor }) => `${path.relative(packageRoot, page)}: ${file}#${anchor ?? ''}`),
    )
    assert.deepEqual(broken, [])
  })

  it('name files and directories that exist or that the page contains', () => {
    const missing = pages.flatMap((page) =>
      Array.from(
        readFileSync(page, 'utf8').matchAll(
          /`((?:bench|deploy|generators|proto|scripts|src|test)\/[\w./-]+)`(?!:\n\n```ts)/g,
        ),
        ([, name]) => name!,
      )
        .filter((name) => !existsSync(path.join(packageRoot, name)))
        .map((name) => `${path.relative(packageRoot, page)}: ${name}`),
    )
    assert.deepEqual(missing, [])
  })
})
