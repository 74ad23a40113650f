import { listCheckpoints } from '../../durability/checkpoints.js'
import { configSha256 } from '../../durability/journal.js'
import type { SegmentHeader } from '../../durability/journal-format.js'
import { crcOf } from '../../durability/journal-format.js'
import { readOwnCheckpoint, runOf } from '../../durability/own-checkpoint.js'
import { readCheckpoint } from '../../durability/read-checkpoint.js'
import { listSegments } from '../../durability/segments.js'
import { gradientLength } from '../../model/parameter-layout.js'
import { isRunGoingOn } from '../../reporting/run-lock.js'
import { bytesOf } from '../../shared/bytes-of.js'
import { bytesUnder } from '../../shared/bytes-under.js'
import { ConvoyError } from '../../shared/errors.js'
import { isThere } from '../../shared/path-access.js'
import type { SegmentSoundness } from './checkpoint-segment.js'
import { checkSegment } from './checkpoint-segment.js'

/** Result of reading every byte of a checkpoint. */
export interface CheckpointSoundness {
  readonly directory: string
  readonly bytes: number
  readonly state: 'whole' | 'damaged'
  /** Why it is damaged; null: it is whole. */
  readonly reason: string | null
}

export interface Soundness {
  /** The newest first. */
  readonly checkpoints: readonly CheckpointSoundness[]
  /** The earliest first. */
  readonly journal: readonly SegmentSoundness[]
}

/**
 * Reads every byte of a run's checkpoints and journal. A file that a running coordinator removes meanwhile is left out.
 * @throws errors that say nothing about the files, such as a lack of memory
 */
export async function checkRun(runDirectory: string): Promise<Soundness> {
  const bases = new Map<number, SegmentHeader>()
  const checkpoints: CheckpointSoundness[] = []
  const listed = listCheckpoints(runDirectory)
  const run = runOf(runDirectory, listed)
  for (const checkpoint of listed) {
    const { directory, step } = checkpoint
    const { base, ...soundness } = await checkCheckpoint(directory, () => readOwnCheckpoint(checkpoint, run))
    if (base !== undefined) bases.set(step, base)
    if (soundness.state === 'whole' || isThere(directory)) checkpoints.push(soundness)
  }
  const isGrowing = isRunGoingOn(runDirectory)
  const segments = listSegments(runDirectory)
  const [anyBase] = bases.values()
  const journal = segments
    .map((segment, index) => {
      const isNewest = index === segments.length - 1
      const run = { vectorLength: anyBase?.vectorLength, base: bases.get(segment.baseStep) }
      return checkSegment(segment, { ...run, mayBeUnfinished: isNewest, isGrowing: isNewest && isGrowing })
    })
    .filter(({ state, file }) => state !== 'damaged' || isThere(file))
  return { checkpoints, journal }
}

/**
 * Reads every byte of a checkpoint.
 * @param read the checkpoint, as it is read in its place in a run
 * @returns also the header of the journal segment that continues it, if it is whole
 * @throws as {@link checkRun}
 */
export async function checkCheckpoint(
  directory: string,
  read = () => readCheckpoint(directory),
): Promise<CheckpointSoundness & { readonly base?: SegmentHeader }> {
  const bytes = await bytesUnder(directory)
  try {
    const { manifest, stored } = read()
    const { config, model } = manifest.description
    const base = {
      vectorLength: gradientLength(model.layout),
      weightsCrc: crcOf(bytesOf(stored.tensors['weights']!)),
      baseStep: manifest.position.step,
      configSha256: configSha256(config),
    }
    return { directory, bytes, state: 'whole', reason: null, base }
  } catch (error) {
    const { code, message } = ConvoyError.from(error)
    if (code !== 'data') throw error
    return { directory, bytes, state: 'damaged', reason: message }
  }
}
