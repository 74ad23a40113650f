import { InvalidArgumentError, Option } from 'commander'
import { parseLogLevels } from '../../shared/log/log-levels.js'

/** `--log-level`, with CONVOY_LOG_LEVEL for scripts that start many processes. Its value is the text, checked: see {@link parseLogLevels}. */
export function logLevelOption(): Option {
  return new Option(
    '--log-level <levels>',
    'error, warn, info or debug, and levels of single modules: info,scheduler=debug,grpc=warn',
  )
    .default('info')
    .env('CONVOY_LOG_LEVEL')
    .argParser((text) => {
      try {
        parseLogLevels(text)
        return text
      } catch (error) {
        throw new InvalidArgumentError((error as Error).message)
      }
    })
}
