import { spawn } from 'node:child_process'
import { once } from 'node:events'

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'open', linux: 'xdg-open' }

/** Shows a page or file with the system's browser. @returns false when no program can open it, as on a machine without a screen */
export async function openInBrowser(what: string): Promise<boolean> {
  const opener = OPENERS[process.platform]
  if (opener === undefined) return false
  const child = spawn(opener, [what], { stdio: 'ignore', detached: true })
  try {
    await once(child, 'spawn')
  } catch {
    return false
  }
  child.unref()
  return true
}
