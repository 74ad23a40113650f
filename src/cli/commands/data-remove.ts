import { Command } from 'commander'
import { EMBEDDED_FINGERPRINT } from '../../data/embedded.js'
import { findRemovable } from '../../data/cache/find-removable.js'
import { listStoredDatasets, removeStoredDataset } from '../../data/cache/stored-datasets.js'
import { printable } from '../../shared/log/printable.js'
import { standardOutput } from '../../shared/terminal.js'
import { formatBytes } from '../../shared/units.js'

export function removeCommand(): Command {
  return new Command('remove')
    .description('delete a data set from the cache; its source files stay')
    .argument('<source>', 'name, fingerprint, or path of its source')
    .option('--json', 'for machines')
    .action(async (source: string, { json }: { json?: true }) => {
      const fingerprint = await findRemovable(source)
      const { datasets } = await listStoredDatasets()
      const name = datasets.find(({ info }) => info.fingerprint === fingerprint)?.info.name
      const bytes = await removeStoredDataset(fingerprint)
      if (json) {
        standardOutput.print(`${JSON.stringify({ fingerprint, name, bytes })}\n`)
        return
      }
      const what = `${name === undefined ? 'a damaged data set' : printable(name)} (${fingerprint.slice(0, 16)})`
      const note =
        fingerprint === EMBEDDED_FINGERPRINT ? ' It ships with Convoy and will be decoded again when needed.' : ''
      standardOutput.print(`Removed ${what} from the cache: ${formatBytes(bytes)} are free again.${note}\n`)
    })
}
