import { existsSync } from 'node:fs'
import path from 'node:path'

function findRoot(): string {
  let directory = import.meta.dirname
  while (!existsSync(path.join(directory, 'package.json'))) directory = path.dirname(directory)
  return directory
}

/** Absolute path of the directory with Convoy's package.json. */
export const packageRoot: string = findRoot()
