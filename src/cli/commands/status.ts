import { readdirSync } from 'node:fs'
import path from 'node:path'
import { Command, Option } from 'commander'
import { findRunningRun } from '../../coordinator/run-announcement.js'
import { printable } from '../../shared/log/printable.js'
import { isThere } from '../../shared/path-access.js'
import type { StatusReply } from '../../shared/protocol/messages.js'
import { Table } from '../../shared/table.js'
import { standardOutput } from '../../shared/terminal.js'
import { counted, formatBytes, formatDuration, formatShare } from '../../shared/units.js'
import type { AdminTarget } from '../../coordinator/admin-client.js'
import { callAdmin } from '../../coordinator/admin-client.js'
import { addAdminOptions } from '../flags/admin-options.js'
import { integer } from '../flags/flag-values.js'
import { openInBrowser } from '../open-in-browser.js'
import { writeReport } from './report.js'
import { watchStatus } from '../watch-status.js'

export function statusCommand(): Command {
  return addAdminOptions(new Command('status'))
    .addOption(
      new Option('--watch [seconds]', 'show the status every so many seconds, until the run ends')
        .preset('1')
        .argParser(integer(1, 3600)),
    )
    .addOption(
      new Option(
        '--open',
        'open the page of the run in the browser; when no run is running, the report of the newest run',
      ).conflicts(['admin', 'watch', 'json']),
    )
    .option('--json', 'for machines')
    .action(async (run: string | undefined, { json, open, watch, ...target }: StatusFlags) => {
      if (open) {
        await openPage(target, run)
        return
      }
      const show = json ? (status: StatusReply) => `${JSON.stringify(status)}\n` : describeStatus
      if (watch === undefined) standardOutput.print(show(await callAdmin('status', target, run)))
      else await watchStatus(target, run, 1000 * watch, show)
    })
}

interface StatusFlags extends AdminTarget {
  readonly open?: true
  readonly json?: true
  /** Seconds. */
  readonly watch?: number
}

async function openPage({ runsDir }: AdminTarget, run: string | undefined): Promise<void> {
  const page = await pageOf(runsDir, run)
  const isShown = await openInBrowser(page)
  standardOutput.print(`${isShown ? '' : 'No browser can be started here; open '}${printable(page)}\n`)
}

async function pageOf(runsDir: string, run: string | undefined): Promise<string> {
  try {
    const { metrics } = await findRunningRun(runsDir, run)
    return new URL('/', metrics).href
  } catch (error) {
    const over = run ?? newestRun(runsDir)
    if (over === undefined) throw error
    return (await writeReport(over)).file
  }
}

/** The names of run directories begin with the time when they were made. */
function newestRun(runsDir: string): string | undefined {
  const entries = isThere(runsDir) ? readdirSync(runsDir, { withFileTypes: true }) : []
  const directories = entries.filter((entry) => !entry.isFile()).map(({ name }) => path.join(runsDir, name))
  return directories.sort().findLast((run) => isThere(path.join(run, 'metrics.jsonl')))
}

/** The text of `convoy status`. */
export function describeStatus(status: StatusReply): string {
  const { state, step, totalSteps, epoch, loss, accuracy, samplesPerSecond, secondsLeft, workers, runDirectory } =
    status
  const left = secondsLeft > 0 ? `, ${formatDuration(secondsLeft)} left` : ''
  const table = new Table({
    head: ['worker', 'name', 'state', 'device', 'shards', 'memory', 'tensors', 'slower', 'heard'],
  })
  for (const worker of workers) {
    table.push([
      worker.worker,
      worker.name,
      worker.state,
      worker.device,
      worker.shardsDone,
      formatBytes(worker.residentBytes),
      worker.tensors,
      worker.timesSlower === 0 ? '' : `${worker.timesSlower.toFixed(2)}x`,
      `${worker.lastHeardSeconds.toFixed(1)} s ago`,
    ])
  }
  return (
    `${printable(runDirectory)}: ${state}\n` +
    `step ${step} of ${totalSteps} (epoch ${epoch.toFixed(2)}), ` +
    `loss ${loss.toFixed(4)}${accuracy === undefined ? '' : `, accuracy ${formatShare(accuracy)}`}, ${samplesPerSecond.toFixed(0)} samples/s, ` +
    `${counted(workers.length, 'worker')}${left}\n${durabilityLine(status)}${table.toString()}\n`
  )
}

function durabilityLine({ checkpoint, journal }: StatusReply): string {
  // A coordinator of an earlier version has neither.
  if (journal === '') return ''
  const newest = checkpoint
    ? `checkpoint of step ${checkpoint.step}, ${formatDuration(checkpoint.ageSeconds)} ago`
    : 'no checkpoint'
  return `${newest}; step journal ${printable(journal)}\n`
}
