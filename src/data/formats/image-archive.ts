import { isUtf8 } from 'node:buffer'
import path from 'node:path'
import tar from 'tar-stream'
import { ConvoyError } from '../../shared/errors.js'
import { throwShortage } from '../../shared/own-shortage.js'
import { progressEverySecond } from '../../shared/progress.js'
import { sortByPath, isHidden } from '../../shared/walk-directory.js'
import type { ArchiveEntry } from './archive-entries.js'
import { ArchiveEntries } from './archive-entries.js'
import type { ImageCollection, ImageFile, Problem } from './image-collection.js'
import { MAX_COLLECTION_BYTES, MAX_COLLECTION_IMAGES } from './image-collection.js'
import { leaveOutByContent, mayHoldSamples } from './image-folder.js'
import { kindOfName, SIGNATURE_BYTES } from './image-names.js'
import { LeftOutCounts } from './left-out.js'
import { archiveKind, unpackArchive } from './open-archive.js'

/**
 * Reads the image files of a tar or tar.gz into memory, by the rules of {@link readImageFolder}: what the archive was packed from
 * gives the same images in the same order. Hard and symbolic links are their files. Nothing is written to disk.
 * @throws ConvoyError('usage') for a file that is no archive; ConvoyError('data') for a damaged one, naming the last good entry, or one
 * that is absurdly large
 */
export async function readImageArchive(
  file: string,
  report: (line: string) => void = () => undefined,
): Promise<ImageCollection> {
  const entries = await readEntries(
    file,
    (name) => kindOfName(name) === 'image' && hiddenPart(name) === undefined,
    report,
  )
  const leftOut = new LeftOutCounts()
  const problems: Problem[] = []
  const samples: { path: string; entry: ArchiveEntry & { kind: 'file' } }[] = []
  const hidden = new Set<string>()
  for (const [where, entry] of entries.all()) {
    const shown = hiddenPart(where)
    if (shown !== undefined) {
      if (!hidden.has(shown)) leftOut.add('hidden', shown)
      hidden.add(shown)
    } else if (entry.kind !== 'directory') sort(where, entry)
  }
  const images = await withBytes(file, samples, report)
  return {
    images: sortByPath(images),
    directories: visibleDirectories(entries),
    leftOut,
    problems: sortByPath(problems),
    placeOf: (where) => `${file}: ${where}`,
  }

  function fail(where: string, reason: Problem['reason'], message: string): void {
    problems.push({ path: where, reason, message: `${file}: ${where} ${message}` })
  }

  function sort(where: string, entry: ArchiveEntry): void {
    const kind = kindOfName(where)
    const matters = mayHoldSamples(where)
    if (entry.kind === 'not-utf8') {
      if (matters) fail(where, 'not-utf8', 'has a name that is not UTF-8; rename it and pack it again.')
      else leftOut.add('not-utf8', where)
      return
    }
    const goal = entries.resolve(where)
    if (goal === undefined) {
      if (matters)
        fail(where, 'dangling', 'is a link out of the archive, or to nothing; pack the files themselves (tar -h).')
      else leftOut.add('dangling', where)
    } else if (goal.entry.kind === 'directory') {
      if (`${path.posix.dirname(where)}/`.startsWith(`${goal.path}/`) || goal.path === '') leftOut.add('loop', where)
      else fail(where, 'repeated', 'is a link to a directory; put the images themselves or links to them there.')
    } else if (goal.entry.kind !== 'file') {
      if (kind === 'image') fail(where, 'special', 'is no regular file; leave it out.')
      else leftOut.add('special', where)
    } else if (kind === 'image') samples.push({ path: where, entry: goal.entry })
    else if (kind === 'unknown') leaveOutByContent(leftOut, where, goal.entry.head)
    else if (kind === 'other') leftOut.add('other', where)
    else leftOut.add('format', where, kind.format)
  }
}

/** Names of the regular files in a tar or tar.gz. @throws as {@link readImageArchive} */
export async function listArchive(file: string): Promise<string[]> {
  return (
    await readEntries(
      file,
      () => false,
      () => undefined,
    )
  ).names()
}

/** @param keeps whether the bytes of the file of that name are wanted */
async function readEntries(
  file: string,
  keeps: (name: string) => boolean,
  report: (line: string) => void,
): Promise<ArchiveEntries> {
  const entries = new ArchiveEntries()
  const progress = progressEverySecond(report)
  let [total, count, last] = [0, 0, 'nothing']
  // Names are bytes first: latin1 keeps every one of them.
  const options: object = { filenameEncoding: 'latin1', allowUnknownFormat: true }
  const extract = tar.extract(options)
  const collect = async (): Promise<void> => {
    for await (const entry of extract) {
      const { name, type, pax } = entry.header as PaxHeader
      const where = normalized(textOf(name, pax?.['path']))
      progress(() => `Reading ${file}: ${count.toLocaleString('en')} files so far`)
      if (++count > MAX_COLLECTION_IMAGES)
        throw new ConvoyError('data', `${file}: more than ${MAX_COLLECTION_IMAGES} files.`)
      const blocks: Buffer[] = []
      const keepsAll = isFile(type) && keeps(where)
      for await (const block of entry as unknown as AsyncIterable<Buffer>) {
        if (keepsAll) {
          total += block.length
          if (total > MAX_COLLECTION_BYTES) {
            throw new ConvoyError('data', `${file}: more than ${MAX_COLLECTION_BYTES} bytes of images at ${where}.`)
          }
          blocks.push(block)
        } else if (blocks.length === 0) blocks.push(Buffer.from(block.subarray(0, SIGNATURE_BYTES)))
      }
      last = where
      entries.set(...entryOf(entry.header, where, Buffer.concat(blocks), keepsAll))
    }
  }
  try {
    const kind = await archiveKind(file)
    await Promise.all([unpackArchive(file, kind, extract), collect()])
  } catch (error) {
    if (error instanceof ConvoyError) throw error
    throwShortage(error)
    throw new ConvoyError(
      'data',
      `${file} is not a readable tar archive (${(error as Error).message}), after ${last}.`,
      {
        cause: error,
      },
    )
  }
  return entries
}

type PaxHeader = tar.Header & { pax?: Record<string, string> | null }

function isFile(type: tar.Header['type']): boolean {
  return type === 'file' || type === 'contiguous-file'
}

/** What an archive has at a place. @param bytes all of the file, or its beginning when they are not kept */
function entryOf(
  header: tar.Header,
  where: string,
  bytes: Buffer,
  keepsAll: boolean,
): [where: string, entry: ArchiveEntry] {
  const { name, linkname, type, pax } = header as PaxHeader
  const isSparse = Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse'))
  if (!isText(name, pax?.['path'])) return [escaped(where), { kind: 'not-utf8' }]
  if (type === 'directory') return [where, { kind: 'directory' }]
  if (isFile(type) && !isSparse) {
    const head = bytes.subarray(0, SIGNATURE_BYTES)
    return [where, { kind: 'file', head, ...(keepsAll && { bytes }), name: where }]
  }
  if (type === 'link' || type === 'symlink')
    return [where, { kind: type, target: textOf(linkname ?? '', pax?.['linkpath']) }]
  return [where, { kind: 'special' }]
}

/** A link may lead to a file that is no image by its name, and that was not kept: the archive is read once more for these. */
async function withBytes(
  file: string,
  samples: readonly { path: string; entry: ArchiveEntry & { kind: 'file' } }[],
  report: (line: string) => void,
): Promise<ImageFile[]> {
  const missing = new Set(samples.filter(({ entry }) => entry.bytes === undefined).map(({ entry }) => entry.name))
  const again = missing.size > 0 ? await readEntries(file, (name) => missing.has(name), report) : undefined
  return samples.map(({ path: where, entry }) => ({ path: where, bytes: entry.bytes ?? again!.bytesOf(entry.name) }))
}

/** All directories that are named, or that something lies in. */
function visibleDirectories(entries: ArchiveEntries): string[] {
  const found = new Set<string>()
  for (const [where, { kind }] of entries.all()) {
    if (kind === 'not-utf8') continue
    for (let part = kind === 'directory' ? where : path.posix.dirname(where); part !== '.' && part !== '';) {
      if (found.has(part)) break
      found.add(part)
      part = path.posix.dirname(part)
    }
  }
  const visible = [...found].filter((name) => hiddenPart(name) === undefined).map((name) => ({ path: name }))
  return sortByPath(visible).map((directory) => directory.path)
}

/** The path down to its first hidden name. */
function hiddenPart(where: string): string | undefined {
  const parts = where.split('/')
  const index = parts.findIndex(isHidden)
  return index === -1 ? undefined : parts.slice(0, index + 1).join('/')
}

/** `./photos//a.png` and `/photos/a.png` are photos/a.png. */
function normalized(name: string): string {
  const parts = path.posix.normalize(`/${name}`).split('/')
  return parts.filter(Boolean).join('/')
}

/** @param name latin1 @param fromPax UTF-8, where the name came from there */
function textOf(name: string, fromPax: string | undefined): string {
  if (fromPax !== undefined) return fromPax
  const bytes = Buffer.from(name, 'latin1')
  return isUtf8(bytes) ? bytes.toString() : name
}

function isText(name: string, fromPax: string | undefined): boolean {
  return fromPax === undefined ? isUtf8(Buffer.from(name, 'latin1')) : !fromPax.includes('\ufffd')
}

function escaped(latin1: string): string {
  return latin1.replace(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
