import { ConvoyError } from '../../shared/errors.js'
import { listed } from '../../shared/log/listed.js'
import { shellWord } from '../../shared/shell-word.js'
import { MAX_CLASSES } from '../dataset.js'

/** Directories of these names (in any case) split the samples; they are no classes unless the user chooses their level. */
const SPLITS = new Set(['train', 'training', 'val', 'valid', 'validation', 'dev', 'test', 'testing'])
const MAX_NAMES_SHOWN = 6

/** One way to read directories as classes. */
export interface ClassReading {
  /** 1 is the first level below the directories that hold everything. */
  readonly level: number
  readonly classNames: readonly string[]
}

/** Where the classes of a tree of images may stand. */
export interface ClassLayout {
  /** The directories that alone hold everything, which levels are counted below: `photos/` of an archive; or empty. */
  readonly wrapper: readonly string[]
  /** The likely one first. Several: the tree is ambiguous. None: some images lie in no class directory. */
  readonly readings: readonly ClassReading[]
  /** Directories that split the samples above the classes: `train`, `test`. */
  readonly splits: readonly string[]
}

/**
 * Finds the level of directories that are the classes: the first one, below directories that hold everything and below
 * train, validation and test. Where all images lie deeper, and the next levels would make classes too, each is a reading.
 * @param paths of the images, relative, at least one
 * @param directories relative, those without images included
 */
export function readLayout(paths: readonly string[], directories: readonly string[]): ClassLayout {
  const images = paths.map((where) => where.split('/').slice(0, -1))
  const tree = directories.map((where) => where.split('/'))
  const depth = images.reduce((least, { length }) => Math.min(least, length), Infinity)
  const names = (level: number): string[] =>
    distinct(tree.filter(({ length }) => length > level).map((parts) => parts[level]!.normalize('NFC')))

  let wrapped = 0
  while (wrapped + 1 < depth && names(wrapped).length === 1 && !isSplit(names(wrapped)[0]!)) wrapped++
  let first = wrapped
  const splits = first < depth && names(first).every(isSplit) ? names(first) : []
  if (splits.length > 0) {
    first++
    while (first + 1 < depth && names(first).length === 1) first++
  }
  const readings: ClassReading[] = []
  for (let level = first; level < depth; level++) {
    const classNames = distinct(images.map((parts) => parts[level]!.normalize('NFC')))
    if (level > first && (classNames.length < 2 || classNames.length > MAX_CLASSES)) continue
    if (classNames.every(isSplit)) continue
    readings.push({ level: level - wrapped + 1, classNames })
    // Other directories beside that one class have no images: that is a mistake, and no reason to look deeper.
    if (classNames.length < 2) break
  }
  return { wrapper: images[0]!.slice(0, wrapped), readings, splits }
}

/** One line with the readings, for the user, who must choose one. */
export function describeReadings(source: string, { readings }: ClassLayout): string {
  const shown = readings.map(({ level, classNames }) => `level ${level} (${listed(classNames, MAX_NAMES_SHOWN)})`)
  return `${source}: directories of ${shown.join(' or of ')} may be the classes`
}

/** @throws ConvoyError('usage') with the remedy */
export function rejectAmbiguity(source: string, layout: ClassLayout): never {
  const commands = layout.readings.map(({ level }) => `convoy data import ${shellWord(source)} --class-level ${level}`)
  throw new ConvoyError(
    'usage',
    `${describeReadings(source, layout)}. Choose one: ${commands.join(' or ')}. From then on every command reads it in that way.`,
  )
}

export interface ClassAssignment {
  /** NFC, sorted. */
  readonly classNames: readonly string[]
  /** The class of each path. */
  readonly classes: readonly string[]
}

/**
 * @param level of a {@link ClassReading}
 * @throws ConvoyError('usage') for an image that lies in no directory of that level, for a class directory without images, and for
 * names that look the same
 */
export function assignClasses(
  source: string,
  paths: readonly string[],
  directories: readonly string[],
  { wrapper }: ClassLayout,
  level: number,
): ClassAssignment {
  const index = wrapper.length + level - 1
  const classes = paths.map((where) => {
    const parts = where.split('/')
    if (index < parts.length - 1) return parts[index]!.normalize('NFC')
    const below = level === 1 ? '' : ` of level ${level}`
    throw new ConvoyError(
      'data',
      `${source}: ${where} lies in no class directory${below}; put the images of each class into a directory of its own.`,
    )
  })
  const classNames = distinct(classes)
  const known = new Set(classNames)
  const spellings = new Map<string, string>()
  for (const where of directories) {
    const parts = where.split('/')
    if (parts.length !== index + 1) continue
    const className = parts[index]!.normalize('NFC')
    if (!known.has(className)) {
      throw new ConvoyError('data', `${source}/${where} is a class without images; add some or remove the directory.`)
    }
    const place = where.normalize('NFC')
    const other = spellings.get(place)
    if (other !== undefined) {
      throw new ConvoyError(
        'data',
        `${source}: two directories are called ${place}, in two Unicode normalisations (${asciiOf(other)} and ${asciiOf(where)}); ` +
          'put their images into one of them, or rename one.',
      )
    }
    spellings.set(place, where)
  }
  return { classNames, classes }
}

function isSplit(name: string): boolean {
  return SPLITS.has(name.toLowerCase())
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)].sort()
}

function asciiOf(text: string): string {
  return text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
