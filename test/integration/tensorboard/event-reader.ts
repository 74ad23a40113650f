import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { pythonEnvironment } from '../../../src/bench/python-environment.js'
import { packageRoot } from '../../../src/shared/package-root.js'

const SOURCES = path.join(packageRoot, 'test', 'integration', 'tensorboard')
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

export interface ReadHistogram {
  readonly step: number
  readonly min: number
  readonly max: number
  readonly num: number
  readonly sum: number
  readonly bucket: readonly number[]
  readonly bucket_limit: readonly number[]
}

/** The values that TensorBoard reads from a directory, by tag. */
export interface ReadEvents {
  /** Wall time (seconds since 1970), step, value. */
  readonly scalars: Readonly<Record<string, readonly (readonly [number, number, number])[]>>
  readonly histograms: Readonly<Record<string, readonly ReadHistogram[]>>
  readonly images: Readonly<
    Record<
      string,
      readonly { readonly step: number; readonly width: number; readonly height: number; readonly png: string }[]
    >
  >
  /** Images of one value of a tag. */
  readonly batches: Readonly<
    Record<
      string,
      readonly {
        readonly step: number
        readonly width: number
        readonly height: number
        readonly pngs: readonly string[]
      }[]
    >
  >
  readonly texts: Readonly<Record<string, readonly string[]>>
  /** How many values its server shows for each tag. */
  readonly served: Readonly<Record<string, number>>
}

/** TensorBoard's own Python reader in an environment of the tests, or why it is not available. */
export async function eventReader(): Promise<((directory: string) => ReadEvents) | string> {
  try {
    const python = await pythonEnvironment('test', path.join(SOURCES, 'requirements.txt'), () => undefined)
    return (directory) => {
      const text = execFileSync(python, [path.join(SOURCES, 'read_events.py'), directory], {
        encoding: 'utf8',
        maxBuffer: MAX_OUTPUT_BYTES,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      return JSON.parse(text) as ReadEvents
    }
  } catch (error) {
    return `TensorBoard cannot be installed: ${(error as Error).message}`
  }
}
