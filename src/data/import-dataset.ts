import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { ConvoyError } from '../shared/errors.js'
import { isCifarBinary, readCifarArchive, readCifarDirectory } from './cifar-binary.js'
import type { DatasetInfo } from './dataset.js'
import { decodeImages } from './decode-images.js'
import { IMAGE_NAME, readImageArchive, readImageFolder } from './image-archive.js'
import { isIdx, readIdx } from './idx.js'
import { datasetsDirectory, hasPackedDataset } from './packed-cache.js'
import { storeDataset } from './store-dataset.js'

export interface ImportOptions {
  /** @default the base name of the path */
  readonly name?: string
  /** Image folders: every image is scaled to it. */
  readonly size?: { readonly height: number; readonly width: number }
  /** Lines for people. */
  readonly report: (line: string) => void
}

/**
 * Decodes a data set into the cache: CIFAR-10's binary files (directory or tar.gz), IDX files, or images in one directory per
 * class (directory, tar or tar.gz).
 * @throws ConvoyError('usage') when nothing of that is there, ConvoyError('data') for broken files
 */
export async function importDataset(source: string, { name, size, report }: ImportOptions): Promise<DatasetInfo> {
  const found = await stat(source).catch(() => undefined)
  if (found === undefined) throw new ConvoyError('usage', `${source}: there is no such file or directory.`)
  const label = name ?? path.basename(path.resolve(source)).replace(/\.(tar|tgz|tar\.gz)$/i, '')
  const decoded = found.isDirectory() ? await fromDirectory() : await fromArchive()
  return storeDataset(decoded)

  async function fromDirectory() {
    const names = await readdir(source)
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
        `${source} holds no data set that Convoy knows: CIFAR-10's binary batches, IDX files (MNIST), or images (${IMAGE_NAME.source.slice(2, -2)}) in one directory per class.`,
      )
    }
    return decodeImages(files, label, size, (done, total) => {
      if (done % 10_000 === 0) report(`Decoding ${label}: ${done} of ${total} images`)
    })
  }
}

/**
 * The data set at a path, imported when it is not in the cache. A path whose size and times are as they were at the last
 * import is not read again.
 */
export async function importOnce(source: string, report: (line: string) => void): Promise<string> {
  const index = path.join(
    datasetsDirectory(),
    'sources',
    `${createHash('sha256').update(path.resolve(source)).digest('hex').slice(0, 32)}.json`,
  )
  const state = await stateOf(source)
  const known = await readFile(index, 'utf8').then(
    (text) => JSON.parse(text) as { state: string; fingerprint: string },
    () => undefined,
  )
  if (known?.state === state && hasPackedDataset(known.fingerprint)) return known.fingerprint
  const { fingerprint } = await importDataset(source, { report })
  await writeIndex(index, { state, fingerprint })
  return fingerprint
}

async function writeIndex(file: string, content: object): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  await writeFileAtomic(file, `${JSON.stringify(content)}\n`)
}

/** Changes when a file below the path appears, goes, grows or is written. */
async function stateOf(source: string): Promise<string> {
  const hash = createHash('sha256')
  const found = await stat(source)
  const names = found.isDirectory() ? (await readdir(source, { recursive: true })).sort() : ['']
  for (const name of names) {
    const { size, mtimeMs, mode } = await stat(path.join(source, name))
    hash.update(`${name}\0${size}\0${mtimeMs}\0${mode}\n`)
  }
  return hash.digest('hex')
}
