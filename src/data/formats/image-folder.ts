import path from 'node:path'
import { ConvoyError } from '../../shared/errors.js'
import { throwShortage } from '../../shared/own-shortage.js'
import { progressEverySecond } from '../../shared/progress.js'
import { openRegularFile, readRegularFile } from '../../shared/read-file.js'
import type { FoundFile, SkippedEntry, Walk } from '../../shared/walk-directory.js'
import type { ImageCollection, ImageFile, Problem } from './image-collection.js'
import { MAX_COLLECTION_BYTES, MAX_COLLECTION_IMAGES, MAX_IMAGE_BYTES } from './image-collection.js'
import { formatOf, isDecodable, kindOfName, SIGNATURE_BYTES } from './image-names.js'
import { LeftOutCounts } from './left-out.js'

/** The findings of a walk: images, files that are left out, and problems. */
export interface SortedWalk {
  readonly images: readonly FoundFile[]
  readonly leftOut: LeftOutCounts
  readonly problems: Problem[]
}

/** Separates images from other files. Only files of an unknown extension are opened, for their first bytes. */
export async function sortWalk(root: string, walk: Walk): Promise<SortedWalk> {
  const leftOut = new LeftOutCounts()
  const problems: Problem[] = []
  const images: FoundFile[] = []
  for (const passed of walk.skipped) {
    const message = problemOf(root, passed)
    if (message === undefined) leftOut.add(passed.reason, passed.path)
    else problems.push({ path: passed.path, reason: passed.reason, message })
  }
  for (const file of walk.files) {
    const kind = kindOfName(file.path)
    if (kind === 'image') images.push(file)
    else if (kind === 'unknown') leaveOutByContent(leftOut, file.path, await firstBytes(path.join(root, file.path)))
    else if (kind === 'other') leftOut.add('other', file.path)
    else leftOut.add('format', file.path, kind.format)
  }
  return { images, leftOut, problems }
}

/** Counts a file of an unknown extension. */
export function leaveOutByContent(leftOut: LeftOutCounts, where: string, bytes: Buffer): void {
  const format = formatOf(bytes)
  if (format === undefined) leftOut.add('other', where)
  else if (isDecodable(format)) leftOut.add('nameless', where)
  else leftOut.add('format', where, format)
}

/** Whether a name that leads to nothing may have been a sample or a directory of samples. */
export function mayHoldSamples(name: string): boolean {
  return kindOfName(name) === 'image' || path.posix.extname(name) === ''
}

/** @returns undefined when nothing is lost */
function problemOf(root: string, { path: where, reason, detail, isDirectory }: SkippedEntry): string | undefined {
  const place = path.join(root, where)
  const matters = isDirectory || mayHoldSamples(where)
  switch (reason) {
    case 'hidden':
    case 'loop':
      return undefined
    case 'repeated':
      return `${place} is a link to a directory that is read under another name too; remove it, or put the images themselves there.`
    case 'special':
      return kindOfName(where) === 'image' ? `${place} is no regular file; remove it.` : undefined
    case 'dangling':
      return matters ? `${place} cannot be read (${detail}): it is a link that leads nowhere; remove it.` : undefined
    case 'unreadable':
      return matters ? `${place} cannot be read (${detail}); allow it with chmod, or remove it.` : undefined
    case 'not-utf8':
      return matters ? `${place}: this name is not UTF-8; rename it, for example with convmv.` : undefined
    case 'too-deep':
      return `${place} lies more directories deep than are searched; give a directory further down.`
  }
}

async function firstBytes(file: string): Promise<Buffer> {
  try {
    const handle = await openRegularFile(file)
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(SIGNATURE_BYTES))
      return buffer.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (error) {
    throwShortage((error as Error).cause)
    return Buffer.alloc(0)
  }
}

/**
 * Reads the image files that a walk found into memory.
 * @throws ConvoyError('data') when they are too many or too large
 */
export async function readImageFolder(
  root: string,
  walk: Walk,
  report: (line: string) => void = () => undefined,
): Promise<ImageCollection> {
  const { images: found, leftOut, problems } = await sortWalk(root, walk)
  if (found.length > MAX_COLLECTION_IMAGES)
    throw new ConvoyError('data', `${root}: more than ${MAX_COLLECTION_IMAGES} images; give a smaller directory.`)
  const images: ImageFile[] = []
  const progress = progressEverySecond(report)
  let total = 0
  for (const { path: where, bytes } of found) {
    const file = path.join(root, where)
    total += bytes
    if (total > MAX_COLLECTION_BYTES) {
      throw new ConvoyError(
        'data',
        `${root}: more than ${MAX_COLLECTION_BYTES} bytes of images at ${where}; give a smaller directory.`,
      )
    }
    try {
      images.push({ path: where, bytes: readRegularFile(file, MAX_IMAGE_BYTES) })
    } catch (error) {
      throwShortage((error as Error).cause)
      problems.push({ path: where, reason: 'unreadable', message: (error as Error).message })
    }
    progress(() => `Reading ${root}: ${images.length} of ${found.length} images`)
  }
  return { images, directories: walk.directories, leftOut, problems, placeOf: (where) => path.join(root, where) }
}
