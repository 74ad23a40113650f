import os from 'node:os'
import path from 'node:path'
import { ConvoyError } from './errors.js'

/**
 * The per-user cache shared by all checkouts: `$CONVOY_CACHE`, else `$XDG_CACHE_HOME/convoy`, else `~/.cache/convoy`.
 * Holds the native runtime under `runtime/` and decoded data sets under `datasets/`.
 * @throws ConvoyError('environment') when neither variable is set and the user has no home directory
 */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment['CONVOY_CACHE']) return path.resolve(environment['CONVOY_CACHE'])
  const base = environment['XDG_CACHE_HOME'] || path.join(homeDirectory(), '.cache')
  return path.join(base, 'convoy')
}

/** A container's user often has neither an entry in /etc/passwd nor HOME. */
function homeDirectory(): string {
  let home = ''
  try {
    home = os.homedir()
  } catch {
    // Treated like an empty home directory.
  }
  if (path.isAbsolute(home)) return home
  throw new ConvoyError(
    'environment',
    `User ${process.getuid?.() ?? ''} has no home directory for the cache; set HOME, or set CONVOY_CACHE to a writable directory.`,
  )
}
