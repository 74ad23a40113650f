import { open } from 'node:fs/promises'

/** Writes the names in a directory to the disk. @throws the system's error */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
