import { Command } from 'commander'
import path from 'node:path'
import { checkpointsIn, listCheckpoints, pruneCheckpoints, removeUnfinished } from '../../durability/checkpoints.js'
import type { ListedCheckpoint } from '../../durability/checkpoints.js'
import { readOwnCheckpoint, runOf } from '../../durability/own-checkpoint.js'
import type { Checkpoint } from '../../durability/read-checkpoint.js'
import { journalIn, listSegments, pruneSegments } from '../../durability/segments.js'
import { takeRun } from '../../reporting/run-lock.js'
import { bytesUnder } from '../../shared/bytes-under.js'
import { ConvoyError } from '../../shared/errors.js'
import { listed } from '../../shared/log/listed.js'
import { printable } from '../../shared/log/printable.js'
import { standardError, standardOutput } from '../../shared/terminal.js'
import { formatBytes } from '../../shared/units.js'
import { integer } from '../flags/flag-values.js'
import type { CheckpointFlags } from './checkpoint-places.js'
import { findRun } from './checkpoint-places.js'

interface PruneFlags extends CheckpointFlags {
  readonly keep: number
}

export function pruneCommand(): Command {
  return new Command('prune')
    .description('remove all but the newest checkpoints of a run that has ended, and that of the best weights')
    .argument('<run>', 'run directory, or its name')
    .requiredOption(
      '--keep <number>',
      'how many of the newest checkpoints stay; damaged ones do not count',
      integer(1, 1_000),
    )
    .action(async (run: string, { runsDir, keep, json }: PruneFlags) => {
      const runDirectory = findRun(runsDir, run)
      const lock = await takeRun(runDirectory)
      try {
        const pruned = await prune(runDirectory, keep)
        standardOutput.print(json ? `${JSON.stringify({ runDirectory, ...pruned })}\n` : asText(runDirectory, pruned))
      } finally {
        lock.release()
      }
    })
}

interface Pruned {
  /** Names of what was removed. */
  readonly checkpoints: readonly string[]
  readonly journal: readonly string[]
  /** Steps of the checkpoints that stay, the newest first. */
  readonly kept: readonly number[]
  readonly bytesFreed: number
}

/** The process owns the run. @throws ConvoyError('data') when no checkpoint is whole; nothing is removed then */
async function prune(runDirectory: string, keep: number): Promise<Pruned> {
  const { places, newest } = placesToKeep(runDirectory, keep)
  const before = await contentOf(runDirectory)
  removeUnfinished(runDirectory)
  const { kept, failure } = pruneCheckpoints(runDirectory, places, newest.manifest.values.best?.step)
  if (failure !== undefined) throw failure as Error
  pruneSegments(runDirectory, Math.min(...kept))
  const after = await contentOf(runDirectory)
  return {
    checkpoints: before.checkpoints.filter((name) => !after.checkpoints.includes(name)),
    journal: before.journal.filter((name) => !after.journal.includes(name)),
    kept,
    bytesFreed: before.bytes - after.bytes,
  }
}

/**
 * Damaged checkpoints stay and take no place: with them alone, the run would be lost.
 * @returns how many of the newest checkpoints stay, and the newest whole one
 */
function placesToKeep(runDirectory: string, keep: number): { readonly places: number; readonly newest: Checkpoint } {
  const all = listCheckpoints(runDirectory)
  const run = runOf(runDirectory, all)
  let newest: Checkpoint | undefined
  let whole = 0
  let places = 0
  for (const listed of all) {
    if (whole === keep) break
    places++
    const checkpoint = wholeOne(listed, run)
    if (checkpoint === undefined) continue
    whole++
    newest ??= checkpoint
  }
  if (newest !== undefined) return { places, newest }
  throw new ConvoyError(
    'data',
    `Nothing was removed: none of the checkpoints in ${checkpointsIn(runDirectory)} is whole. Restore one from a copy, or remove the run directory.`,
  )
}

/** @returns undefined when it is damaged or another run's, which is reported */
function wholeOne(checkpoint: ListedCheckpoint, run: string | undefined): Checkpoint | undefined {
  try {
    return readOwnCheckpoint(checkpoint, run)
  } catch (error) {
    const { code, message } = ConvoyError.from(error)
    if (code !== 'data') throw error
    standardError.printLine(`⚠ ${message} It stays, and is not counted.`, true)
    return undefined
  }
}

async function contentOf(runDirectory: string): Promise<{ checkpoints: string[]; journal: string[]; bytes: number }> {
  return {
    checkpoints: listCheckpoints(runDirectory).map(({ directory }) => path.basename(directory)),
    journal: listSegments(runDirectory).map(({ file }) => path.basename(file)),
    bytes: (await bytesUnder(checkpointsIn(runDirectory))) + (await bytesUnder(journalIn(runDirectory))),
  }
}

function asText(runDirectory: string, { checkpoints, journal, kept, bytesFreed }: Pruned): string {
  const removed = [...checkpoints, ...journal]
  return [
    `${printable(runDirectory)}: removed ${removed.length === 0 ? 'nothing' : listed(removed)}; ${formatBytes(bytesFreed)} are free again.`,
    `Checkpoints that stay: ${listed(kept.map((step) => `step ${step}`))}.`,
    '',
  ].join('\n')
}
