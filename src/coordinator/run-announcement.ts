import { readdir } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { ConvoyError } from '../shared/errors.js'
import { cannotBeRead, isMissing, statIfThere } from '../shared/path-access.js'
import { MAX_CONFIG_BYTES, readTextIfThere } from '../shared/read-file.js'
import { isRunGoingOn } from '../reporting/run-lock.js'

const announcementSchema = z.object({
  /** For supervisors. In another PID namespace this id belongs to another process. */
  pid: z.int().positive(),
  /** Host name of the coordinator; absent in earlier versions. */
  host: z.string().optional(),
  /** `host:port` for workers. */
  address: z.string(),
  /** `host:port` for `convoy status`, `convoy stop` and the like. */
  adminAddress: z.string(),
  /** URL of the Prometheus metrics. */
  metrics: z.url(),
  runDirectory: z.string(),
})

/** Where a running coordinator can be reached: `coordinator.json` in its run directory. */
export type RunAnnouncement = Readonly<z.output<typeof announcementSchema>>

const FILE = 'coordinator.json'

/**
 * @param alsoTo a file for scripts that wait for the coordinator
 * @throws ConvoyError('usage') when that one cannot be written
 */
export async function announceRun(announcement: Omit<RunAnnouncement, 'host'>, alsoTo?: string): Promise<void> {
  const text = JSON.stringify({ ...announcement, host: os.hostname() }, null, 2) + '\n'
  await writeFileAtomic(path.join(announcement.runDirectory, FILE), text)
  if (alsoTo === undefined) return
  try {
    await writeFileAtomic(alsoTo, text)
  } catch (error) {
    throw new ConvoyError(
      'usage',
      `--announce ${alsoTo}: ${(error as Error).message}. Name a file that can be written.`,
      {
        cause: error,
      },
    )
  }
}

/**
 * The run in that directory or, without one, the newest under `root` that is going on; one of this host comes before those of others, whose
 * addresses may mean something else here.
 * @throws ConvoyError('usage') when there is none, or a directory or an announcement is damaged or cannot be read
 */
export async function findRunningRun(root: string, runDirectory?: string): Promise<RunAnnouncement> {
  if (runDirectory !== undefined) {
    if ((await statIfThere(runDirectory)) === undefined)
      throw new ConvoyError('usage', `${runDirectory}: there is no such directory.`)
    const announcement = readAnnouncement(runDirectory)
    if (announcement !== undefined && isRunGoingOn(runDirectory)) return announcement
    throw new ConvoyError('usage', `No run is going on in ${runDirectory}.`)
  }
  const names = await readdir(root).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw cannotBeRead(root, error)
  })
  let unread: string | undefined
  let elsewhere: RunAnnouncement | undefined
  for (const name of names.sort().reverse()) {
    const directory = path.join(root, name)
    try {
      const announcement = readAnnouncement(directory)
      if (announcement === undefined || !isRunGoingOn(directory)) continue
      if (announcement.host === os.hostname()) return announcement
      elsewhere ??= announcement
    } catch (error) {
      // Files beside the runs, and runs of other users, are skipped; the first that may be the run is named in the error.
      if (((error as ConvoyError).cause as NodeJS.ErrnoException | undefined)?.code !== 'ENOTDIR')
        unread ??= (error as ConvoyError).message
    }
  }
  if (elsewhere !== undefined) return elsewhere
  throw new ConvoyError(
    'usage',
    `No run is going on under ${root}. Name its directory, or the coordinator's address with --admin host:port.${unread === undefined ? '' : ` (${unread})`}`,
  )
}

/** @returns undefined when there is none @throws ConvoyError('usage') when it is damaged or cannot be read */
export function readAnnouncement(directory: string): RunAnnouncement | undefined {
  const file = path.join(directory, FILE)
  const text = readTextIfThere(file, MAX_CONFIG_BYTES)
  if (text === undefined) return undefined
  try {
    return announcementSchema.parse(JSON.parse(text))
  } catch {
    throw new ConvoyError(
      'usage',
      `${file} is damaged. Remove it, or name the coordinator's address with --admin host:port.`,
    )
  }
}
