import path from 'node:path'
import { MAX_JSON_BYTES, readTextIfThere } from '../shared/read-file.js'
import type { RunResult } from '../training/run-events.js'
import { ConvoyError } from '../shared/errors.js'

/** result.json of a run; undefined: it has none. @throws ConvoyError('data') when it is damaged */
export function readResult(directory: string): RunResult | undefined {
  const file = path.join(directory, 'result.json')
  const text = readTextIfThere(file, MAX_JSON_BYTES)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as RunResult
  } catch (error) {
    throw new ConvoyError('data', `${file} is damaged: ${(error as Error).message}.`, { cause: error })
  }
}
