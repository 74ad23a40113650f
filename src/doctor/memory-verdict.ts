import os from 'node:os'
import { memoryShortage, QUICK_WORKER_BYTES } from '../model/memory-need.js'
import { tightestLimit } from '../shared/memory-limits.js'
import { counted, formatBytes } from '../shared/units.js'
import type { Verdict } from './verdict.js'
import { healthy, wrong } from './verdict.js'

/** Checks that the memory available here is enough for the workers that `convoy train` starts by default. */
export function examineMemory(gpuCount: number): Verdict {
  const check = 'memory'
  const workers = gpuCount > 0 ? gpuCount : os.availableParallelism()
  const shortage = memoryShortage(workers, QUICK_WORKER_BYTES)
  if (shortage) return wrong(check, shortage.found, shortage.remedy)
  const { place, bytes } = tightestLimit()
  const each = formatBytes(QUICK_WORKER_BYTES)
  return healthy(check, `${formatBytes(bytes)} (${place}), enough for ${counted(workers, 'worker')} of ${each} each`)
}
