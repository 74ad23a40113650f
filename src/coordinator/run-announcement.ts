import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { ConvoyError } from '../shared/errors.js'
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
 * @throws ConvoyError('usage') when there is none, or its announcement is damaged
 */
export async function findRunningRun(root: string, runDirectory?: string): Promise<RunAnnouncement> {
  const candidates =
    runDirectory === undefined
      ? (await readdir(root).catch(() => []))
          .sort()
          .reverse()
          .map((name) => path.join(root, name))
      : [runDirectory]
  for (const candidate of candidates) {
    const announcement = await readAnnouncement(candidate)
    if (announcement !== undefined && isProcessAlive(announcement.pid)) return announcement
  }
  throw new ConvoyError(
    'usage',
    runDirectory === undefined
      ? `No run is going on under ${root}. Name its directory, or the coordinator's address with --admin host:port.`
      : `No run is going on in ${runDirectory}.`,
  )
}

async function readAnnouncement(directory: string): Promise<RunAnnouncement | undefined> {
  const file = path.join(directory, FILE)
  const text = await readFile(file, 'utf8').catch(() => undefined)
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
