import { isUtf8 } from 'node:buffer'
import type { BigIntStats, Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { ConvoyError } from './errors.js'
import { throwShortage } from './own-shortage.js'
import { progressEverySecond } from './progress.js'

/** Limit on entries of one walk, directories included. */
const MAX_ENTRIES = 10_000_000
/** Levels below the root. */
const MAX_DEPTH = 64
const STATS_AT_ONCE = 64

/** A regular file, or a link to one. */
export interface FoundFile {
  /** Relative to the root, with `/`. */
  readonly path: string
  readonly bytes: number
  /** Changes when the file is written or replaced, or its permissions change. */
  readonly stamp: string
}

/**
 * A skipped name, and the reason.
 *
 * | reason     | meaning                                                                             |
 * | ---------- | ----------------------------------------------------------------------------------- |
 * | hidden     | hidden, or written by a system: see {@link isHidden}; not entered                     |
 * | loop       | a link to a directory that contains the link: nothing is lost                        |
 * | repeated   | a directory that was read already, under another name                                |
 * | dangling   | a link to nothing                                                                    |
 * | special    | a pipe, a socket or a device: never opened                                           |
 * | unreadable | the system does not permit reading it (`detail` is its error code)                    |
 * | not-utf8   | the name is not UTF-8 (`path` has `\xe9` and the like in it)                           |
 * | too-deep   | more than 64 levels below the root                                                   |
 */
export interface SkippedEntry {
  readonly path: string
  readonly reason: 'hidden' | 'loop' | 'repeated' | 'dangling' | 'special' | 'unreadable' | 'not-utf8' | 'too-deep'
  readonly detail: string
  readonly isDirectory: boolean
}

/** Lists sorted by path (NFC, then UTF-16 code units): the order depends neither on the disk nor on the locale. */
export interface Walk {
  readonly files: readonly FoundFile[]
  /** Relative, without the root. */
  readonly directories: readonly string[]
  readonly skipped: readonly SkippedEntry[]
}

/** Names that operating systems, file servers and archivers leave among users' files. */
const SYSTEM_NAMES = new Set([
  ...['@eadir', '#recycle', '#snapshot', '@recycle', '@recently-snapshot', '@tmp', '__macosx', '__pycache__'],
  ...['$recycle.bin', 'recycler', 'system volume information', 'lost+found', 'found.000'],
  ...['thumbs.db', 'ehthumbs.db', 'ehthumbs_vista.db', 'desktop.ini', 'picasa.ini', 'icon\r'],
])

/** Whether a name (of a file or a directory) is hidden (`.git`, `._cat.jpg`) or a system's (`@eaDir`, `Thumbs.db`). */
export function isHidden(name: string): boolean {
  return name.startsWith('.') || SYSTEM_NAMES.has(name.toLowerCase())
}

/**
 * Finds the files below a directory. Each directory is read once, by device and inode. Links to files count as files; links to
 * directories are followed after everything else was read, but not if they lead back or to a directory that was read already.
 * @param report receives a progress line once a second, after the first second
 * @throws ConvoyError('data') when the directory itself cannot be read, or holds more than {@link MAX_ENTRIES} names
 */
export async function walkDirectory(root: string, report: (line: string) => void = () => undefined): Promise<Walk> {
  const files: FoundFile[] = []
  const directories: string[] = []
  const skipped: SkippedEntry[] = []
  const seen = new Set<string>()
  const progress = progressEverySecond(report)
  let links: string[] = []
  let entries = 0

  await enter('', await stat(root, { bigint: true }).catch(throwUnreadable))
  while (links.length > 0) {
    const waiting = links.sort()
    links = []
    for (const link of waiting) await follow(link)
  }
  return { files: sortByPath(files), directories: directories.sort(compare), skipped: sortByPath(skipped) }

  function throwUnreadable(error: unknown): never {
    throw new ConvoyError('data', `${root} cannot be read (${codeOf(error)}).`, { cause: error })
  }

  function pass(where: string, reason: SkippedEntry['reason'], { detail = '', isDirectory = false } = {}): void {
    skipped.push({ path: where, reason, detail, isDirectory })
  }

  async function enter(where: string, { dev, ino }: BigIntStats): Promise<void> {
    const id = `${dev}:${ino}`
    if (seen.has(id)) {
      pass(where, 'repeated', { isDirectory: true })
      return
    }
    seen.add(id)
    if (where.split('/').length > MAX_DEPTH) {
      pass(where, 'too-deep', { isDirectory: true })
      return
    }
    let found: Dirent<Buffer>[]
    try {
      found = await readdir(path.join(root, where), { withFileTypes: true, encoding: 'buffer' })
    } catch (error) {
      throwShortage(error)
      if (where === '') throwUnreadable(error)
      pass(where, 'unreadable', { detail: codeOf(error), isDirectory: true })
      return
    }
    if (where !== '') directories.push(where)
    const inside: string[] = []
    const regular: string[] = []
    for (const entry of found.sort((a, b) => Buffer.compare(a.name, b.name))) {
      if (++entries > MAX_ENTRIES)
        throw new ConvoyError('data', `${root}: more than ${MAX_ENTRIES} files; give a smaller directory.`)
      progress(() => `Searching ${root}: ${entries.toLocaleString('en')} files so far`)
      const name = nameOf(entry.name)
      const place = where === '' ? name : `${where}/${name}`
      const isDirectory = entry.isDirectory()
      if (isHidden(name)) pass(place, 'hidden', { isDirectory })
      else if (!isUtf8(entry.name)) pass(place, 'not-utf8', { isDirectory })
      else if (isDirectory) inside.push(place)
      else if (entry.isFile() || entry.isSymbolicLink()) regular.push(place)
      else pass(place, 'special')
    }
    for (let first = 0; first < regular.length; first += STATS_AT_ONCE) {
      await Promise.all(regular.slice(first, first + STATS_AT_ONCE).map(examine))
    }
    for (const place of inside) {
      const stats = await statOf(place)
      if (stats !== undefined) await enter(place, stats)
    }
  }

  async function statOf(where: string): Promise<BigIntStats | undefined> {
    try {
      return await stat(path.join(root, where), { bigint: true })
    } catch (error) {
      throwShortage(error)
      const code = codeOf(error)
      pass(where, code === 'ENOENT' || code === 'ELOOP' ? 'dangling' : 'unreadable', { detail: code })
      return undefined
    }
  }

  async function examine(where: string): Promise<void> {
    const stats = await statOf(where)
    if (stats === undefined) return
    if (stats.isDirectory()) links.push(where)
    else if (!stats.isFile()) pass(where, 'special')
    else files.push({ path: where, bytes: Number(stats.size), stamp: stampOf(stats) })
  }

  async function follow(link: string): Promise<void> {
    const stats = await statOf(link)
    if (stats === undefined) return
    const target = await realpath(path.join(root, link))
    const holders = [root, path.dirname(path.join(root, link))]
    for (const holder of holders) {
      if (!isWithin(await realpath(holder), target)) continue
      pass(link, 'loop', { isDirectory: true })
      return
    }
    await enter(link, stats)
  }
}

/** Contains ctime, which nothing can set: copying tools keep size and modification time. */
export function stampOf({ size, mtimeNs, ctimeNs, ino, mode }: BigIntStats): string {
  return [size, mtimeNs, ctimeNs, ino, mode].join(':')
}

/** UTF-8 unchanged; other bytes as `\xe9`. */
function nameOf(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString()
  return bytes.toString('latin1').replace(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}

function isWithin(inner: string, outer: string): boolean {
  const relative = path.relative(outer, inner)
  return relative === '' || !(relative === '..' || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative))
}

/** Sorts by path, in place. Composed and decomposed accents sort alike, whichever form the disk stores. */
export function sortByPath<Item extends { readonly path: string }>(items: Item[]): Item[] {
  return items.sort((a, b) => compare(a.path, b.path))
}

function compare(a: string, b: string): number {
  const [first, second] = [a.normalize('NFC'), b.normalize('NFC')]
  if (first === second) return a < b ? -1 : a > b ? 1 : 0
  return first < second ? -1 : 1
}
