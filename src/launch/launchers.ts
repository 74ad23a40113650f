import { adaptive } from './adaptive.js'
import type { Launcher } from './launcher.js'
import { processes } from './processes.js'
import { standalone } from './standalone.js'

/** All launchers, the default first. A new one is a file like standalone.ts and a place here: docs/guides/extend.md. */
const LAUNCHERS = [processes, standalone, adaptive] as const satisfies readonly Launcher[]

export type LauncherName = (typeof LAUNCHERS)[number]['name']
export const LAUNCHER_NAMES = LAUNCHERS.map(({ name }) => name)
export const DEFAULT_LAUNCHER = LAUNCHERS[0].name

/** For the help of `--launcher`. */
export function describeLaunchers(): string {
  return LAUNCHERS.map(({ name, description }) => `${name} (${description})`).join(', ')
}

/** @returns the launcher of that name */
export function launcherOf(name: LauncherName): Launcher {
  return LAUNCHERS.find((launcher) => launcher.name === name)!
}
