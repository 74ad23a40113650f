import Table from 'cli-table3'
import { Command, InvalidArgumentError } from 'commander'
import type { Dataset, DatasetInfo } from '../data/dataset.js'
import { EMBEDDED_NAME } from '../data/embedded.js'
import { fetchCifar10 } from '../data/fetch-cifar10.js'
import { importDataset } from '../data/import-dataset.js'
import { findDataset, openDataset } from '../data/open-dataset.js'
import { listPackedDatasets, verifyPackedDataset } from '../data/packed-cache.js'
import { splitSizes } from '../data/split.js'
import { ConvoyError } from '../shared/errors.js'

const report = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

export function dataCommand(): Command {
  const info = new Command('info')
    .description('show a data set: shape, classes, split')
    .argument('[source]', 'name, fingerprint or path', EMBEDDED_NAME)
    .option('--json', 'for machines')
    .action(async (source: string, { json }: { json?: true }) => {
      const description = describe(await openDataset(source, report))
      process.stdout.write(json ? `${JSON.stringify(description)}\n` : asTable(description))
    })
  const list = new Command('list')
    .description('list the data sets of this machine')
    .option('--json', 'for machines')
    .action(async ({ json }: { json?: true }) => {
      const known = await listPackedDatasets()
      if (json) process.stdout.write(`${JSON.stringify(known)}\n`)
      else {
        const table = new Table({
          head: ['name', 'images', 'shape', 'classes', 'fingerprint'],
          style: { head: [], border: [] },
        })
        for (const { name, count, classNames, fingerprint, ...shape } of known) {
          table.push([name, count, shapeOf(shape), classNames.length, fingerprint.slice(0, 16)])
        }
        process.stdout.write(`${table.toString()}\n`)
      }
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
    .argument('[source]', 'name, fingerprint or path', EMBEDDED_NAME)
    .action(async (source: string) => {
      const fingerprint = await findDataset(source, report)
      try {
        const { name, count } = await verifyPackedDataset(fingerprint)
        process.stdout.write(`${name}: ${count} images, ${fingerprint}: sound.\n`)
      } catch (error) {
        if (!(error instanceof ConvoyError)) throw error
        process.stderr.write(`✖ ${error.message}\n`)
        process.exitCode = 1
      }
    })
  return new Command('data')
    .addCommand(info)
    .addCommand(list)
    .addCommand(fetch)
    .addCommand(importing)
    .addCommand(verify)
}

function done({ name, count, fingerprint }: DatasetInfo): void {
  process.stdout.write(`${name}: ${count} images, ${fingerprint}. Train on it with --data ${name}.\n`)
}

function describe(dataset: Dataset) {
  const { pixels: _pixels, labels, classNames, ...header } = dataset
  const counts = new Array<number>(classNames.length).fill(0)
  for (const label of labels) counts[label]!++
  return {
    ...header,
    classes: classNames.map((name, label) => ({ name, samples: counts[label]! })),
    split: splitSizes(dataset.count),
  }
}

function asTable(description: ReturnType<typeof describe>): string {
  const { name, fingerprint, count, classes, split } = description
  const table = new Table({ style: { head: [], border: [] } })
  table.push(
    { name },
    { fingerprint },
    { images: `${count}, ${shapeOf(description)}` },
    { split: `${split.train} train, ${split.validation} validation, ${split.test} test` },
    ...classes.map((entry) => ({ [entry.name]: entry.samples })),
  )
  return `${table.toString()}\n`
}

function shapeOf({ height, width, channels }: { height: number; width: number; channels: number }): string {
  return `${height}x${width}x${channels}`
}

function size(text: string): { height: number; width: number } {
  const match = /^(\d{1,4})x(\d{1,4})$/.exec(text)
  const [height, width] = [Number(match?.[1]), Number(match?.[2])]
  if (!(height >= 8 && width >= 8))
    throw new InvalidArgumentError('write height x width in pixels, such as 32x32 (8 or more each).')
  return { height, width }
}
