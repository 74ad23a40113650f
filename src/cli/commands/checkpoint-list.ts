import { Command } from 'commander'
import type { ListedCheckpoint } from '../../durability/checkpoints.js'
import { listCheckpoints } from '../../durability/checkpoints.js'
import { writeEveryNumber } from '../../durability/every-number.js'
import { readManifest } from '../../durability/read-checkpoint.js'
import { listSegments } from '../../durability/segments.js'
import { bytesUnder } from '../../shared/bytes-under.js'
import { ConvoyError } from '../../shared/errors.js'
import { printable } from '../../shared/log/printable.js'
import { shellWord } from '../../shared/shell-word.js'
import { Table } from '../../shared/table.js'
import { standardOutput } from '../../shared/terminal.js'
import { counted, formatBytes } from '../../shared/units.js'
import type { ValidationFacts } from './checkpoint-facts.js'
import { describeAccuracy, describeTime, validationOf } from './checkpoint-facts.js'
import type { CheckpointFlags } from './checkpoint-places.js'
import { findRun } from './checkpoint-places.js'

export function listCommand(): Command {
  return new Command('list')
    .description('list the checkpoints of a run')
    .argument('[run]', 'run directory, or its name (default: the newest run with checkpoints)')
    .action(async (run: string | undefined, { runsDir, json }: CheckpointFlags) => {
      const list = await listOf(findRun(runsDir, run))
      standardOutput.print(json ? `${JSON.stringify(list, writeEveryNumber)}\n` : asText(list))
    })
}

interface Row {
  readonly directory: string
  readonly step: number
  readonly epoch: number
  readonly createdAt: string
  readonly bytes: number
  readonly best: ValidationFacts | null
  readonly last: ValidationFacts | null
}

interface CheckpointList {
  readonly runDirectory: string
  /** The newest first. */
  readonly checkpoints: readonly Row[]
  /** Checkpoints whose manifests cannot be read. */
  readonly damaged: readonly { readonly directory: string; readonly reason: string }[]
  readonly journal: { readonly segments: number; readonly bytes: number }
}

async function listOf(runDirectory: string): Promise<CheckpointList> {
  const rows = await Promise.all(listCheckpoints(runDirectory).map(rowOf))
  const segments = listSegments(runDirectory)
  return {
    runDirectory,
    checkpoints: rows.filter((row) => 'step' in row),
    damaged: rows.filter((row) => 'reason' in row),
    journal: { segments: segments.length, bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0) },
  }
}

async function rowOf({ directory }: ListedCheckpoint): Promise<Row | CheckpointList['damaged'][number]> {
  try {
    const manifest = readManifest(directory)
    const { position, createdAt } = manifest
    return {
      ...{ directory, step: position.step, epoch: position.epoch, createdAt, bytes: await bytesUnder(directory) },
      ...{ best: validationOf(manifest, 'best'), last: validationOf(manifest, 'last') },
    }
  } catch (error) {
    const { code, message } = ConvoyError.from(error)
    if (code !== 'data') throw error
    return { directory, reason: message }
  }
}

function asText({ runDirectory, checkpoints, damaged, journal }: CheckpointList): string {
  const table = new Table({
    head: ['step', 'epoch', 'made', 'size', 'last validation', 'best validation'],
    compact: true,
  })
  for (const { step, epoch, createdAt, bytes, best, last } of checkpoints)
    table.push([
      ...[step, epoch.toFixed(2), describeTime(createdAt), formatBytes(bytes)],
      ...[describeAccuracy(last), describeAccuracy(best)],
    ])
  const lines = [
    `${printable(runDirectory)}: ${counted(checkpoints.length, 'checkpoint')}, ${counted(journal.segments, 'journal segment')} (${formatBytes(journal.bytes)})`,
    ...(checkpoints.length > 0 ? [table.toString()] : []),
    ...damaged.map(({ reason }) => `✖ ${printable(reason)}`),
    `Only manifests were read. Verify every byte: npx convoy checkpoint verify ${shellWord(printable(runDirectory))}`,
  ]
  return `${lines.join('\n')}\n`
}
