import { similarWord } from './flag-problems.js'

const PREFIX = 'CONVOY_'

/**
 * Warnings about environment variables that Convoy does not read and whose names resemble a setting. Other variables with the prefix are
 * ignored: Kubernetes sets CONVOY_PORT and the like for a service named convoy.
 * @param settings names of flags that have an environment variable: `batch-size` for CONVOY_BATCH_SIZE
 * @param flags names of all flags
 */
export function unreadVariables(
  environment: NodeJS.ProcessEnv,
  settings: readonly string[],
  flags: readonly string[],
): string[] {
  return Object.keys(environment).flatMap((variable) => {
    if (!variable.startsWith(PREFIX)) return []
    const name = variable.slice(PREFIX.length).toLowerCase().replaceAll('_', '-')
    if (settings.includes(name)) return []
    if (flags.includes(name)) return [`${variable} in the environment has no effect; give --${name}.`]
    const meant = similarWord(name, settings)
    return meant === undefined
      ? []
      : [`${variable} in the environment has no effect; did you mean ${variableOf(meant)}?`]
  })
}

/** `CONVOY_BATCH_SIZE`, for `batch-size`. */
export function variableOf(flag: string): string {
  return `${PREFIX}${flag.toUpperCase().replaceAll('-', '_')}`
}
