import { execFileSync } from 'node:child_process'
import path from 'node:path'

/** Runs `buildah …`. @returns its standard output; throws when it fails */
export type Buildah = (...args: string[]) => string

/** Words before the command of buildah, with a separate directory for images and containers. */
export function buildahAt(directory: string): string[] {
  return ['buildah', '--root', path.join(directory, 'store'), '--runroot', path.join(directory, 'run')]
}

export function buildah(directory: string): Buildah {
  const [program, ...before] = buildahAt(directory)
  return (...args) => execFileSync(program!, [...before, ...args], { encoding: 'utf8', maxBuffer: 2 ** 26 }).trim()
}
