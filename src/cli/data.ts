import Table from 'cli-table3'
import { Command, InvalidArgumentError } from 'commander'
import type { Dataset, DatasetInfo } from '../data/dataset.js'
import { EMBEDDED_NAME } from '../data/dataset-names.js'
import { fetchCifar10 } from '../data/fetch-cifar10.js'
import { importDataset } from '../data/import-dataset.js'
import { findDataset, openFoundDataset } from '../data/open-dataset.js'
import { verifyPackedDataset } from '../data/packed-cache.js'
import { splitDataset } from '../data/split.js'
import { ConvoyError } from '../shared/errors.js'
import { printable } from '../shared/log/printable.js'
import { listCommand } from './data-list.js'
import { removeCommand } from './data-remove.js'
import { shapeOf } from './shape-of.js'

const SOURCE = `name, fingerprint or path (default: the embedded ${EMBEDDED_NAME})`

const report = (line: string): void => {
  process.stderr.write(`${printable(line)}\n`)
}

export function dataCommand(): Command {
  const info = new Command('info')
    .description('show a data set: shape, classes, split')
    .argument('[source]', SOURCE)
    .option('--json', 'for machines')
    .action(async (source: string | undefined, { json }: { json?: true }) => {
      const { dataset, from } = await openFoundDataset(source, report, '')
      const description = { ...describe(dataset), from }
      process.stdout.write(json ? `${JSON.stringify(description)}\n` : asTable(description))
    })
  const fetch = new Command('fetch')
    .description('download a published data set')
    .argument('<name>', 'cifar10')
    .option('--from <url>', 'another place of the same archive')
    .action(async (name: string, { from }: { from?: string }) => {
      if (name !== 'cifar10')
        throw new ConvoyError('usage', `${name}: only cifar10 can be fetched; other data sets are imported from files.`)
      done(await fetchCifar10(report, from))
    })
  const importing = new Command('import')
    .description('decode a data set into the cache')
    .argument(
      '<path>',
      "CIFAR-10's binary files, IDX files, or a directory or tar of images in one directory per class",
    )
    .option('--name <name>', 'how to call it (default: the base name of the path)')
    .option('--size <height x width>', 'scale every image to it', size)
    .action(async (source: string, flags: { name?: string; size?: { height: number; width: number } }) => {
      done(await importDataset(source, { ...flags, report }))
    })
  const verify = new Command('verify')
    .description('compare the cached bytes with the fingerprint')
    .argument('[source]', SOURCE)
    .action(async (source: string | undefined) => {
      const { fingerprint } = await findDataset(source, report, '')
      try {
        const { name, count } = await verifyPackedDataset(fingerprint)
        process.stdout.write(`${printable(name)}: ${count} images, ${fingerprint}: sound.\n`)
      } catch (error) {
        if (!(error instanceof ConvoyError)) throw error
        process.stderr.write(`✖ ${printable(error.message)}\n`)
        process.exitCode = 1
      }
    })
  return new Command('data')
    .addCommand(info)
    .addCommand(listCommand())
    .addCommand(fetch)
    .addCommand(importing)
    .addCommand(verify)
    .addCommand(removeCommand())
}

function done({ name, count, fingerprint }: DatasetInfo): void {
  const shown = printable(name)
  process.stdout.write(`${shown}: ${count} images, ${fingerprint}. Train on it with --data ${quoted(shown)}.\n`)
}

/** As a shell takes it. */
function quoted(word: string): string {
  return /^[\w.,:+@%-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

function describe(dataset: Dataset) {
  const { pixels: _pixels, labels, classNames, ...header } = dataset
  const counts = new Array<number>(classNames.length).fill(0)
  for (const label of labels) counts[label]!++
  const { train, validation, test } = splitDataset(dataset, 1, false)
  return {
    ...header,
    classes: classNames.map((name, label) => ({ name, samples: counts[label]! })),
    split: { train: train.length, validation: validation.length, test: test.length },
  }
}

function asTable(description: ReturnType<typeof describe> & { from: string }): string {
  const { name, fingerprint, from, count, classes, split } = description
  const table = new Table({ style: { head: [], border: [] } })
  table.push(
    { name: printable(name) },
    { fingerprint },
    { 'where from': printable(from) },
    { images: `${count}, ${shapeOf(description)}` },
    { split: `${split.train} train, ${split.validation} validation, ${split.test} test` },
    ...classes.map((entry) => ({ [printable(entry.name)]: entry.samples })),
  )
  return `${table.toString()}\n`
}

function size(text: string): { height: number; width: number } {
  const match = /^(\d{1,4})x(\d{1,4})$/.exec(text)
  const [height, width] = [Number(match?.[1]), Number(match?.[2])]
  if (!(height >= 8 && width >= 8))
    throw new InvalidArgumentError('write height x width in pixels, such as 32x32 (8 or more each).')
  return { height, width }
}
