import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'
import { cannotBeRead, statIfThere } from '../shared/path-access.js'
import { isCifarBinary, readCifarArchive, readCifarDirectory } from './cifar-binary.js'
import type { DatasetInfo } from './dataset.js'
import { checkDatasetName, deriveDatasetName } from './dataset-names.js'
import { decodeImages } from './decode-images.js'
import { readImageArchive, readImageFolder } from './image-archive.js'
import { isIdx, readIdx } from './idx.js'
import { hasPackedDataset } from './packed-cache.js'
import { recallSource, rememberSource } from './source-memory.js'
import { storeDataset } from './store-dataset.js'

export interface ImportOptions {
  /** @default the name that the same content has in the cache, else the base name of the path */
  readonly name?: string
  /** Image folders: every image is scaled to it. */
  readonly size?: { readonly height: number; readonly width: number }
  /** Lines for people. */
  readonly report: (line: string) => void
}

/**
 * Decodes a data set into the cache: CIFAR-10's binary files (directory or tar.gz), IDX files, or images in one directory per
 * class (directory, tar or tar.gz).
 * @throws ConvoyError('usage') when nothing of that is there or the name is taken, ConvoyError('data') for broken files
 */
export async function importDataset(source: string, { name, size, report }: ImportOptions): Promise<DatasetInfo> {
  const found = await statIfThere(source)
  if (found === undefined) throw new ConvoyError('usage', `${source}: there is no such file or directory.`)
  const label = name === undefined ? deriveDatasetName(source) : checkDatasetName(name)
  const state = await stateOf(source)
  const stored = await storeDataset(found.isDirectory() ? await fromDirectory() : await fromArchive(), {
    nameIsChosen: name !== undefined,
    path: path.resolve(source),
    importedAt: new Date().toISOString(),
  })
  await rememberSource(source, { state, fingerprint: stored.fingerprint, ...(size && { size }) })
  return stored

  async function fromDirectory() {
    const names = await namesIn(source)
    if (isCifarBinary(names)) return readCifarDirectory(source, label)
    if (isIdx(names)) return readIdx(source, label)
    return fromImages(await readImageFolder(source))
  }

  async function fromArchive() {
    if (!/\.(tar|tgz|tar\.gz)$/i.test(source)) {
      throw new ConvoyError('usage', `${source} is neither a directory nor a tar or tar.gz archive; give one of these.`)
    }
    if (/cifar-10-binary/i.test(path.basename(source))) return readCifarArchive(source, label)
    return fromImages(await readImageArchive(source))
  }

  function fromImages(files: Awaited<ReturnType<typeof readImageArchive>>) {
    if (files.length === 0) {
      throw new ConvoyError(
        'usage',
        `${source} holds no data set that Convoy knows: CIFAR-10's binary batches, IDX files (MNIST), or images (jpg, png, webp, gif, tiff, avif) in one directory per class.`,
      )
    }
    return decodeImages(files, label, size, (done, total) => {
      if (done % 10_000 === 0) report(`Decoding ${label}: ${done} of ${total} images`)
    })
  }
}

/**
 * The data set at a path, imported when it is not in the cache. A path whose files are as they were at the last import is not read
 * again; one that changed is imported as the last time, in the same size.
 */
export async function importOnce(source: string, report: (line: string) => void): Promise<string> {
  const known = await unchangedImport(source)
  if (known !== undefined && hasPackedDataset(known)) return known
  const size = (await recallSource(source))?.size
  return (await importDataset(source, { report, ...(size && { size }) })).fingerprint
}

/** @returns the fingerprint of the last import, when no file of the path has changed since; it may not be in the cache any more */
export async function unchangedImport(source: string): Promise<string | undefined> {
  const known = await recallSource(source)
  return known !== undefined && known.state === (await stateOf(source)) ? known.fingerprint : undefined
}

/** Changes when a file below the path appears, goes, grows or is written. */
async function stateOf(source: string): Promise<string> {
  const hash = createHash('sha256')
  const found = await stat(source)
  const names = found.isDirectory() ? (await namesIn(source, { recursive: true })).sort() : ['']
  for (const name of names) {
    // A link to nowhere counts by its name.
    const entry = await stat(path.join(source, name)).catch(() => undefined)
    // Tools that copy keep size and time of writing; nobody can set the time of the change.
    hash.update(`${name}\0${entry?.size}\0${entry?.mtimeMs}\0${entry?.ctimeMs}\0${entry?.ino}\0${entry?.mode}\n`)
  }
  return hash.digest('hex')
}

/** @throws ConvoyError('usage') naming the directory that cannot be read */
async function namesIn(directory: string, options: { recursive?: boolean } = {}): Promise<string[]> {
  return readdir(directory, options).catch((error: unknown) => {
    throw cannotBeRead((error as NodeJS.ErrnoException).path ?? directory, error)
  })
}
