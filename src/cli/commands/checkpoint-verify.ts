import path from 'node:path'
import { Command } from 'commander'
import { printable } from '../../shared/log/printable.js'
import { standardError, standardOutput } from '../../shared/terminal.js'
import { counted, formatBytes } from '../../shared/units.js'
import type { CheckpointFlags } from './checkpoint-places.js'
import { findPlace, findRun } from './checkpoint-places.js'
import type { SegmentSoundness } from './checkpoint-segment.js'
import type { CheckpointSoundness, Soundness } from './checkpoint-soundness.js'
import { checkCheckpoint, checkRun } from './checkpoint-soundness.js'

export function verifyCommand(): Command {
  return new Command('verify')
    .description('read every byte of checkpoints and journal; exits 1 if one is damaged')
    .argument('[run or checkpoint]', 'a run, or one checkpoint (default: the newest run with checkpoints)')
    .action(async (name: string | undefined, { runsDir, json }: CheckpointFlags) => {
      const soundness = await soundnessOf(runsDir, name)
      const damaged = [...soundness.checkpoints, ...soundness.journal].filter(({ state }) => state === 'damaged')
      if (json) standardOutput.print(`${JSON.stringify({ damaged: damaged.length, ...soundness })}\n`)
      else printSoundness(soundness, damaged.length)
      if (damaged.length > 0) process.exitCode = 1
    })
}

async function soundnessOf(root: string, name: string | undefined): Promise<Soundness & { runDirectory: string }> {
  const place =
    name === undefined ? { runDirectory: findRun(root, name), checkpoint: undefined } : findPlace(root, name)
  const { runDirectory, checkpoint } = place
  if (checkpoint === undefined) return { runDirectory, ...(await checkRun(runDirectory)) }
  const { base: _base, ...soundness } = await checkCheckpoint(checkpoint)
  return { runDirectory, checkpoints: [soundness], journal: [] }
}

function printSoundness({ checkpoints, journal }: Soundness, damaged: number): void {
  for (const one of [...checkpoints, ...journal]) {
    if (one.state === 'damaged') standardError.printLine(`✖ ${one.reason}`)
    else standardOutput.printLine('file' in one ? describeSegment(one) : describeCheckpoint(one))
  }
  const all = `${counted(checkpoints.length, 'checkpoint')} and ${counted(journal.length, 'journal segment')}`
  standardOutput.printLine(damaged === 0 ? `${all}: none is damaged.` : `${all}: ${damaged} damaged.`)
}

function describeCheckpoint({ directory, bytes }: CheckpointSoundness): string {
  return printable(`${path.basename(directory)}: whole, ${formatBytes(bytes)}`)
}

function describeSegment({ file, bytes, steps, baseStep, state }: SegmentSoundness): string {
  const range =
    steps === 0 ? 'no steps' : steps === 1 ? `step ${baseStep + 1}` : `steps ${baseStep + 1} to ${baseStep + steps}`
  const end =
    state === 'unfinished'
      ? '; an unfinished frame at the end, of a coordinator that was killed or that is writing'
      : ''
  return printable(`${path.basename(file)}: whole, ${range}, ${formatBytes(bytes)}${end}`)
}
