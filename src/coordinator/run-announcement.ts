import { readdir } from 'node:fs/promises'
import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { ConvoyError } from '../shared/errors.js'
import { cannotBeRead, isMissing, statIfThere } from '../shared/path-access.js'
import { MAX_CONFIG_BYTES, readTextIfThere } from '../shared/read-file.js'
import { isProcessAlive } from '../shared/is-process-alive.js'

const announcementSchema = z.object({
  pid: z.int().positive(),
  /** `host:port` for workers. */
  address: z.string(),
  /** `host:port` for `convoy status` and `convoy stop`. */
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
export async function announceRun(announcement: RunAnnouncement, alsoTo?: string): Promise<void> {
  const text = JSON.stringify(announcement, null, 2) + '\n'
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
 * The run in that directory or, without one, the newest under `root` whose coordinator lives on this machine.
 * @throws ConvoyError('usage') when there is none, or a directory or an announcement is damaged or cannot be read
 */
export async function findRunningRun(root: string, runDirectory?: string): Promise<RunAnnouncement> {
  if (runDirectory !== undefined) {
    if ((await statIfThere(runDirectory)) === undefined)
      throw new ConvoyError('usage', `${runDirectory}: there is no such directory.`)
    const announcement = readAnnouncement(runDirectory)
    if (announcement !== undefined && isProcessAlive(announcement.pid)) return announcement
    throw new ConvoyError('usage', `No run is going on in ${runDirectory}.`)
  }
  const names = await readdir(root).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw cannotBeRead(root, error)
  })
  let unread: string | undefined
  for (const name of names.sort().reverse()) {
    try {
      const announcement = readAnnouncement(path.join(root, name))
      if (announcement !== undefined && isProcessAlive(announcement.pid)) return announcement
    } catch (error) {
      // Files beside the runs, and runs of others, are in nobody's way; one that may be the run is mentioned.
      if (((error as ConvoyError).cause as NodeJS.ErrnoException | undefined)?.code !== 'ENOTDIR')
        unread ??= (error as ConvoyError).message
    }
  }
  throw new ConvoyError(
    'usage',
    `No run is going on under ${root}. Name its directory, or the coordinator's address with --admin host:port.${unread === undefined ? '' : ` (${unread})`}`,
  )
}

function readAnnouncement(directory: string): RunAnnouncement | undefined {
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
