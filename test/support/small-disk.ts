import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync } from 'node:fs'
import path from 'node:path'

const mounts = new Set<string>()

/** A disk with space for this many kilobytes, in a new directory under `root`; undefined where nothing can be mounted. */
export function smallDisk(root: string, kilobytes: number): string | undefined {
  mkdirSync(root, { recursive: true })
  const place = mkdtempSync(path.join(root, 'disk-'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', place]).status !== 0) return undefined
  mounts.add(place)
  return place
}

/** For `after`, before the directories are removed that the disks are in. */
export function removeDisks(): void {
  for (const place of mounts) spawnSync('umount', ['--lazy', place])
}
