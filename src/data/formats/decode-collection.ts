import { ConvoyError } from '../../shared/errors.js'
import { listed } from '../../shared/log/listed.js'
import { shellWord } from '../../shared/shell-word.js'
import type { ClassLayout } from './class-level.js'
import { assignClasses, readLayout, rejectAmbiguity } from './class-level.js'
import type { DecodedImages } from './dataset-format.js'
import { decodeImages } from './decode-images.js'
import type { ImageCollection } from './image-collection.js'
import { leaveOutOrThrow } from './image-collection.js'

export interface CollectionOptions {
  readonly name: string
  /** The folder or archive, for messages. */
  readonly source: string
  /** See {@link decodeImages}. */
  readonly size?: { readonly height: number; readonly width: number } | undefined
  /** Which level of directories is the class; undefined finds it. */
  readonly classLevel?: number | undefined
  /** Leaves out files that cannot be read or decoded, instead of rejecting the whole source. */
  readonly skipBroken?: boolean | undefined
  /** Asks the user which level is meant. Without it, a tree that can be read in several ways is rejected. */
  readonly chooseLevel?: ((layout: ClassLayout) => Promise<number>) | undefined
  readonly onProgress: (done: number, total: number) => void
}

export interface DecodedCollection {
  readonly decoded: DecodedImages
  /** What was decided on the way, for people. */
  readonly notes: readonly string[]
  /** The level that was given or chosen; undefined where the tree is unambiguous. */
  readonly classLevel: number | undefined
}

/**
 * Decodes the images of a folder or an archive, directories being their classes. What is left out is counted in the collection.
 * @throws ConvoyError('usage') when it is open which directories are the classes; ConvoyError('data') for files that cannot be
 * read or decoded, and for class names that look the same
 */
export async function decodeCollection(
  { images, directories, leftOut, problems, placeOf }: ImageCollection,
  { name, source, size, classLevel, skipBroken = false, chooseLevel, onProgress }: CollectionOptions,
): Promise<DecodedCollection> {
  leaveOutOrThrow(source, problems, leftOut, skipBroken)
  if (images.length === 0) throw new ConvoyError('data', `${source}: none of its images can be read.`)
  const paths = images.map(({ path }) => path)
  const layout = readLayout(paths, directories)
  const [reading, ...others] = layout.readings
  if (classLevel === undefined && reading === undefined && layout.splits.length > 0) rejectSplits(source, layout, paths)
  let level = classLevel
  if (level === undefined && others.length > 0) level = (await chooseLevel?.(layout)) ?? rejectAmbiguity(source, layout)
  const { classNames, classes } = assignClasses(source, paths, directories, layout, level ?? reading?.level ?? 1)
  const { decoded, firstOfSeveral } = await decodeImages(images, {
    ...{ name, source, placeOf, classNames, classes, size, onProgress },
    onBroken: skipBroken ? (path) => leftOut.add('broken', path) : undefined,
  })
  const notes = [...notesOf(layout, level ?? reading!.level, classNames), ...repeatedNames(paths)]
  if (firstOfSeveral > 0) notes.push(`Of ${firstOfSeveral} images with several frames or pages, the first is taken.`)
  return { decoded, notes, classLevel: level }
}

/** `train/1.jpg`: the directories that split the samples hold no classes. */
function rejectSplits(source: string, { splits, wrapper }: ClassLayout, paths: readonly string[]): never {
  const shallow = paths.find((path) => path.split('/').length === wrapper.length + 2)
  throw new ConvoyError(
    'data',
    `${source}: ${shallow} lies in no class directory: ${listed(splits)} split the samples by their names. Import a part of it, ` +
      `or take these for the classes: convoy data import ${shellWord(source)} --class-level 1.`,
  )
}

function notesOf({ wrapper, splits }: ClassLayout, level: number, classNames: readonly string[]): string[] {
  const notes: string[] = []
  if (wrapper.length > 0) notes.push(`Everything lies in ${wrapper.join('/')}: the levels of classes count from there.`)
  if (splits.length > 0 && level > 1)
    notes.push(`The images of ${listed(splits)} are pooled: Convoy splits the samples itself.`)
  const spellings = new Map<string, string>()
  for (const className of classNames) {
    const other = spellings.get(className.toLowerCase())
    if (other !== undefined)
      notes.push(`${listed([other, className])} differ in upper and lower case only, and are two classes.`)
    spellings.set(className.toLowerCase(), className)
  }
  return notes
}

/** Names that look the same are different files; both are samples. */
function repeatedNames(paths: readonly string[]): string[] {
  const repeated = paths.filter((path, index) => path.normalize('NFC') === paths[index - 1]?.normalize('NFC'))
  if (repeated.length === 0) return []
  return [
    `Names that differ in Unicode normalisation only: ${listed(repeated.map((path) => path.normalize('NFC')))}; both images of each are taken.`,
  ]
}
