import type { Machine } from './machine.js'
import { describeMachine } from './machine.js'
import { examineMemory } from './memory-verdict.js'
import type { DefaultAddress } from './network-verdicts.js'
import { examineNetwork } from './network-verdicts.js'
import type { CachePart } from './storage-verdicts.js'
import { examineStorage, measureCaches } from './storage-verdicts.js'
import { examineTensorflow } from './tensorflow-verdicts.js'
import type { Verdict } from './verdict.js'

export interface Examination {
  readonly machine: Machine
  readonly caches: readonly CachePart[]
  readonly verdicts: readonly Verdict[]
}

/**
 * Describes the machine and tests what training needs. Changes nothing.
 * @param defaults the addresses that a coordinator listens on by default
 */
export async function examine(defaults: readonly DefaultAddress[]): Promise<Examination> {
  const machine = await describeMachine()
  const verdicts = [
    ...(await examineTensorflow(machine.gpus.length)),
    examineMemory(machine.gpus.length),
    ...(await examineStorage()),
    ...(await examineNetwork(defaults)),
  ]
  return { machine, caches: await measureCaches(), verdicts }
}
