import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { ConvoyError } from '../shared/errors.js'
import { isCifarBinary, readCifarArchive, readCifarDirectory } from './cifar-binary.js'
import type { DatasetInfo } from './dataset.js'
import { decodeImages } from './decode-images.js'
import { EMBEDDED_NAME } from './embedded.js'
import { readImageArchive, readImageFolder } from './image-archive.js'
import { isIdx, readIdx } from './idx.js'
import { datasetsDirectory, hasPackedDataset, renamePackedDataset } from './packed-cache.js'
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
  const found = await stat(source).catch(() => undefined)
  if (found === undefined) throw new ConvoyError('usage', `${source}: there is no such file or directory.`)
  const label = name ?? path.basename(path.resolve(source)).replace(/\.(tar|tgz|tar\.gz)$/i, '')
  if (label === EMBEDDED_NAME) {
    throw new ConvoyError(
      'usage',
      `${EMBEDDED_NAME} is the data set that ships with Convoy; choose another name: \`convoy data import <path> --name <name>\`.`,
    )
  }
  const state = await stateOf(source)
  const stored = await storeDataset(found.isDirectory() ? await fromDirectory() : await fromArchive())
  await rememberSource(source, { state, fingerprint: stored.fingerprint })
  return name === undefined ? stored : renamePackedDataset(stored.fingerprint, name)

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
        `${source} holds no data set that Convoy knows: CIFAR-10's binary batches, IDX files (MNIST), or images (jpg, png, webp, gif, tiff, avif) in one directory per class.`,
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
  const known = await recallSource(source)
  if (known?.state === (await stateOf(source)) && hasPackedDataset(known.fingerprint)) return known.fingerprint
  return (await importDataset(source, { report })).fingerprint
}

/** What a path held when it was imported last. */
const sourceSchema = z.strictObject({ state: z.string(), fingerprint: z.string().regex(/^[0-9a-f]{64}$/) })

function sourceFile(source: string): string {
  const key = createHash('sha256').update(path.resolve(source)).digest('hex').slice(0, 32)
  return path.join(datasetsDirectory(), 'sources', `${key}.json`)
}

async function rememberSource(source: string, content: z.infer<typeof sourceSchema>): Promise<void> {
  await mkdir(path.dirname(sourceFile(source)), { recursive: true })
  await writeFileAtomic(sourceFile(source), `${JSON.stringify(content)}\n`)
}

/** Anything unreadable counts as never imported: the path is read again. */
async function recallSource(source: string): Promise<z.infer<typeof sourceSchema> | undefined> {
  try {
    return sourceSchema.parse(JSON.parse(await readFile(sourceFile(source), 'utf8')))
  } catch {
    return undefined
  }
}

/** Changes when a file below the path appears, goes, grows or is written. */
async function stateOf(source: string): Promise<string> {
  const hash = createHash('sha256')
  const found = await stat(source)
  const names = found.isDirectory() ? (await readdir(source, { recursive: true })).sort() : ['']
  for (const name of names) {
    // A link to nowhere counts by its name.
    const entry = await stat(path.join(source, name)).catch(() => undefined)
    hash.update(`${name}\0${entry?.size}\0${entry?.mtimeMs}\0${entry?.mode}\n`)
  }
  return hash.digest('hex')
}
