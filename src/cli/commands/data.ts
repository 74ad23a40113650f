import { Command, InvalidArgumentError } from 'commander'
import type { ClassLayout } from '../../data/formats/class-level.js'
import { describeReadings } from '../../data/formats/class-level.js'
import type { Dataset, DatasetInfo } from '../../data/dataset.js'
import { headerOnly, isImages } from '../../data/dataset.js'
import { shapeOf } from '../../data/describe-dataset.js'
import { EMBEDDED_NAME } from '../../data/dataset-names.js'
import { MIN_SIZE } from '../../data/formats/decode-images.js'
import { fetchCifar10 } from '../../data/formats/fetch-cifar10.js'
import { importDataset } from '../../data/import-dataset.js'
import type { ImportSummary } from '../../data/import-summary.js'
import { countClasses } from '../../data/import-summary.js'
import { findDataset, openFoundDataset } from '../../data/open-dataset.js'
import { verifyPackedDataset } from '../../data/cache/packed-cache.js'
import { splitSizes } from '../../data/sampling/split.js'
import { ConvoyError } from '../../shared/errors.js'
import { printable } from '../../shared/log/printable.js'
import { shellWord } from '../../shared/shell-word.js'
import { Table } from '../../shared/table.js'
import { standardError, standardOutput } from '../../shared/terminal.js'
import { counted } from '../../shared/units.js'
import { listCommand } from './data-list.js'
import { removeCommand } from './data-remove.js'
import { integer } from '../flags/flag-values.js'

const SOURCE = `name, fingerprint or path (default: the embedded ${EMBEDDED_NAME})`

const report = (lines: string): void => {
  standardError.print(`${lines}\n`)
}

interface ImportFlags {
  name?: string
  size?: { height: number; width: number }
  classLevel?: number
  skipBroken?: true
  target?: string[]
  sampleWeight?: string
  classes?: true
  json?: true
}

export function dataCommand(): Command {
  return new Command('data')
    .addCommand(infoCommand())
    .addCommand(listCommand())
    .addCommand(fetchCommand())
    .addCommand(importCommand())
    .addCommand(verifyCommand())
    .addCommand(removeCommand())
}

function infoCommand(): Command {
  return new Command('info')
    .description('show a data set: shape, classes, split')
    .argument('[source]', SOURCE)
    .option('--json', 'for machines')
    .action(async (source: string | undefined, { json }: { json?: true }) => {
      const { dataset, from } = await openFoundDataset(source, report, '')
      const description = { ...describe(dataset), from }
      standardOutput.print(json ? `${JSON.stringify(description)}\n` : asTable(description))
    })
}

function fetchCommand(): Command {
  return new Command('fetch')
    .description('download a published data set')
    .argument('<name>', 'cifar10')
    .option('--from <url>', 'mirror of the same archive')
    .action(async (name: string, { from }: { from?: string }) => {
      if (name !== 'cifar10')
        throw new ConvoyError('usage', `${name}: only cifar10 can be fetched; other data sets are imported from files.`)
      done(await fetchCifar10(report, from))
    })
}

function importCommand(): Command {
  return new Command('import')
    .description('decode a data set into the cache')
    .argument(
      '<path>',
      "CIFAR-10's binary files, IDX files, a table (.csv), or a directory or tar of images in one directory per class",
    )
    .option('--name <name>', 'name of the data set (default: the base name of the path)')
    .option('--size <height x width>', 'scale every image to this size', size)
    .option(
      '--class-level <level>',
      'level of directories that names the class; 1 is the first (default: detected)',
      integer(1, 64),
    )
    .option('--skip-broken', 'leave out images that cannot be read or decoded, and count them')
    .option(
      '--target <column>',
      'table: the column to learn, or several of numbers (a,b) for one output; can be repeated for several outputs (default: the last column)',
      (column: string, before?: string[]) => [...(before ?? []), column],
    )
    .option('--classes', 'table: the target has classes, although they are numbers')
    .option('--sample-weight <column>', 'table: the column with the weight of each sample in the loss')
    .option('--json', 'for machines')
    .action(async (source: string, { json, classes, target, sampleWeight, ...options }: ImportFlags) => {
      let summary: ImportSummary | undefined
      const info = await importDataset(source, {
        ...options,
        targets: target,
        classTarget: classes,
        weights: sampleWeight,
        report,
        onSummary: (made) => (summary = made),
        ...(standardError.canAsk && { chooseLevel: (layout) => askLevel(source, layout) }),
      })
      if (json) standardOutput.print(`${JSON.stringify({ ...info, ...summary })}\n`)
      else done(info)
    })
}

function verifyCommand(): Command {
  return new Command('verify')
    .description('check the cached bytes against the fingerprint')
    .argument('[source]', SOURCE)
    .action(async (source: string | undefined) => {
      const { fingerprint } = await findDataset(source, report, '')
      try {
        const { name, count } = await verifyPackedDataset(fingerprint)
        standardOutput.print(`${printable(name)}: ${counted(count, 'sample')}, ${fingerprint}: sound.\n`)
      } catch (error) {
        if (!(error instanceof ConvoyError)) throw error
        standardError.printLine(`✖ ${error.message}`)
        process.exitCode = 1
      }
    })
}

/** Asks on the terminal until the answer is one of the levels. */
async function askLevel(source: string, layout: ClassLayout): Promise<number> {
  const levels = layout.readings.map(({ level }) => String(level))
  for (;;) {
    const question = `${describeReadings(source, layout)}. Which level? [${levels.join('/')}]`
    const answer = await standardError.ask(question)
    if (levels.includes(answer)) return Number(answer)
  }
}

function done(info: DatasetInfo): void {
  const { name, count, fingerprint } = info
  const shown = printable(name)
  standardOutput.print(
    isImages(info)
      ? `${shown}: ${count} images, ${fingerprint}. Train on it: npx convoy train --data ${shellWord(shown)}\n`
      : `${shown}: ${counted(count, 'sample')}, ${fingerprint}. Train on it: npx convoy train --model <module or directory> --data ${shellWord(shown)}\n`,
  )
}

function describe(dataset: Dataset) {
  const { classNames: _classNames, ...header } = headerOnly(dataset)
  return { ...header, classes: countClasses(dataset), split: splitSizes(dataset.count) }
}

function asTable(description: ReturnType<typeof describe> & { from: string }): string {
  const { name, fingerprint, from, count, classes, split } = description
  const table = new Table()
  table.push(
    { name },
    { fingerprint },
    { source: from },
    { ['height' in description ? 'images' : 'samples']: `${count}, ${shapeOf(description)}` },
    ...('targets' in description && description.targets.length > 0
      ? [{ 'to learn': description.targets.map(({ name }) => name).join(', ') }]
      : []),
    { split: `${split.train} train, ${split.validation} validation, ${split.test} test` },
    ...classes.map((entry) => ({ [entry.name]: entry.samples })),
  )
  return `${table.toString()}\n`
}

function size(text: string): { height: number; width: number } {
  const match = /^(\d{1,4})x(\d{1,4})$/.exec(text)
  const [height, width] = [Number(match?.[1]), Number(match?.[2])]
  if (!(height >= MIN_SIZE && width >= MIN_SIZE))
    throw new InvalidArgumentError(`write height x width in pixels, such as 32x48 (${MIN_SIZE} or more each).`)
  return { height, width }
}
