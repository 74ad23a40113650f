import { Command } from 'commander'
import { importedFrom, shapeOf } from '../../data/describe-dataset.js'
import { EMBEDDED_FINGERPRINT } from '../../data/embedded.js'
import { listStoredDatasets } from '../../data/cache/stored-datasets.js'
import { Table } from '../../shared/table.js'
import { standardOutput } from '../../shared/terminal.js'

export function listCommand(): Command {
  return new Command('list')
    .description('list the data sets of this machine')
    .option('--json', 'for machines')
    .action(async ({ json }: { json?: true }) => {
      const { datasets, damaged } = await listStoredDatasets()
      if (json) {
        const known = datasets.map((dataset) => ({
          ...dataset.info,
          from: importedFrom(dataset),
          nameIsChosen: dataset.origin.nameIsChosen || dataset.info.fingerprint === EMBEDDED_FINGERPRINT,
          path: dataset.origin.path,
          importedAt: dataset.origin.importedAt,
        }))
        const broken = damaged.map(({ fingerprint, reason }) => ({ fingerprint, damaged: reason }))
        standardOutput.print(`${JSON.stringify([...known, ...broken])}\n`)
        return
      }
      const table = new Table({ head: ['name', 'samples', 'shape', 'classes', 'fingerprint', 'source'] })
      for (const dataset of datasets) {
        const { name, count, classNames, fingerprint } = dataset.info
        const from = importedFrom(dataset)
        table.push([name, count, shapeOf(dataset.info), classNames.length || '–', fingerprint.slice(0, 16), from])
      }
      standardOutput.print(`${table.toString()}\n`)
      for (const { reason } of damaged) standardOutput.printLine(reason)
    })
}
