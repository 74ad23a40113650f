import { z } from 'zod'
import { PHASES } from '../../metrics/phases.js'

const number = z.number()
const phases = z.array(z.object({ phase: z.enum(PHASES), seconds: number }))

/** A RunStatus in `status.json`. */
export const statusSchema = z.object({
  timeSeconds: number,
  state: z.string(),
  workers: z.array(
    z.object({
      id: number,
      name: z.string(),
      device: z.string(),
      state: z.string(),
      shardsDone: number,
      score: number.exactOptional(),
      silentSeconds: number,
      residentBytes: number,
      tensors: number,
      gpu: z.object({ utilization: number.exactOptional(), memoryUsedBytes: number.exactOptional() }).exactOptional(),
    }),
  ),
  coordinatorPhases: phases,
  workerPhases: phases,
  traffic: z.array(z.object({ kind: z.string(), direction: z.string(), path: z.string(), bytes: number })),
})

/** What the page shows of `result.json`. */
export const resultSchema = z.object({
  weightsSha256: z.string(),
  seconds: number,
  samplesPerSecond: number,
  test: z.object({ accuracy: number, loss: number }),
})
