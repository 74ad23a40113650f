import { ConvoyError } from '../../shared/errors.js'
import { nameFault } from '../../shared/worker-name.js'

/** Checks the name of a worker. @throws ConvoyError('usage'); commander's own error would print unprintable characters of the name */
export function workerName(name: string): string {
  const fault = nameFault(name)
  if (fault !== undefined) throw new ConvoyError('usage', `--name: ${fault}`)
  return name
}
