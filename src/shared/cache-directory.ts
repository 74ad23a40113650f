import os from 'node:os'
import path from 'node:path'

/**
 * The per-user cache shared by all checkouts: `$CONVOY_CACHE`, else `$XDG_CACHE_HOME/convoy`, else `~/.cache/convoy`.
 * Holds the native runtime under `runtime/` and decoded data sets under `datasets/`.
 */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment['CONVOY_CACHE']) return path.resolve(environment['CONVOY_CACHE'])
  const base = environment['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache')
  return path.join(base, 'convoy')
}
