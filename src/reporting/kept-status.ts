import { z } from 'zod'
import { RUN_END_KINDS } from './page/page-state.js'
import { PHASES } from '../metrics/phases.js'
import { printable, printableLines } from '../shared/log/printable.js'

const number = z.number()
const text = z.string().transform(printable)
const phases = z.array(z.object({ phase: z.enum(PHASES), seconds: number }))

const worker = z.object({
  id: number,
  name: z.string(),
  device: z.string(),
  state: z.string(),
  shardsDone: number,
  samples: number.exactOptional(),
  stragglerRatio: number.exactOptional(),
  heartbeatAgeSeconds: number,
  residentBytes: number,
  tensors: number,
  gpu: z.object({ utilization: number.exactOptional(), memoryUsedBytes: number.exactOptional() }).exactOptional(),
})

/** Names of two fields of a worker in `status.json` of older versions. */
const OLD_NAMES: Readonly<Record<string, string>> = { score: 'stragglerRatio', silentSeconds: 'heartbeatAgeSeconds' }

function withNewNames(kept: unknown): unknown {
  if (typeof kept !== 'object' || kept === null) return kept
  return Object.fromEntries(Object.entries(kept).map(([name, value]) => [OLD_NAMES[name] ?? name, value]))
}

/** A RunStatus in `status.json`. */
export const statusSchema = z.object({
  timeSeconds: number,
  state: z.string(),
  samplesPerSecond: number.exactOptional(),
  secondsLeft: number.exactOptional(),
  workers: z.array(z.preprocess(withNewNames, worker)),
  coordinatorPhases: phases,
  workerPhases: phases,
  traffic: z.array(z.object({ kind: z.string(), direction: z.string(), path: z.string(), bytes: number })),
  end: z
    .object({
      kind: z.enum(RUN_END_KINDS),
      at: z.iso.datetime(),
      reason: z.string().transform(printableLines).exactOptional(),
    })
    .exactOptional(),
})

const weightsName = z.enum(['best', 'last'])
const validation = z.object({ accuracy: number.exactOptional(), loss: number })
const keptWeights = z.object({ step: number, sha256: z.string(), validation: validation.exactOptional() })

/** The part of `result.json` that the page shows. Fields that older versions did not write are optional. */
export const resultSchema = z.object({
  weightsSha256: z.string(),
  weights: z.object({ best: keptWeights, last: keptWeights }).exactOptional(),
  steps: number.exactOptional(),
  stoppedEarly: z.literal(true).exactOptional(),
  bestStep: number.exactOptional(),
  seconds: number,
  samplesPerSecond: number,
  workers: number.exactOptional(),
  validation: validation.exactOptional(),
  test: z
    .object({
      accuracy: number.exactOptional(),
      loss: number,
      samples: number.exactOptional(),
      weights: weightsName.exactOptional(),
    })
    .exactOptional(),
})

/** The part of `environment.json` that the page shows. */
export const environmentSchema = z.object({
  convoy: text.exactOptional(),
  node: text.exactOptional(),
  platform: text.exactOptional(),
  cpu: text.exactOptional(),
  cores: number.exactOptional(),
  memoryBytes: number.exactOptional(),
  command: z.array(text).exactOptional(),
  startedAt: z.iso.datetime().exactOptional(),
})
