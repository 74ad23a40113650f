import { createInterface } from 'node:readline'
import { standardOutput } from '../../src/shared/terminal.js'
import type { TrainingPart } from './durable-training.js'
import { DurableTraining } from './durable-training.js'

// Trains in the run directory that is its first argument, with the options that are the second. For each line of its input, a part of the training
// as JSON, it prints a line with what became of it. A part that is the third argument is the only one.

/** What became of a training. */
export interface Trained {
  /** Unless it was broken off. */
  readonly weightsSha256?: string | undefined
  readonly warnings: readonly string[]
  /** Why it failed. */
  readonly error?: string
  /** Whether what was on disk had been read. */
  readonly hasBegun: boolean
}

const [runDirectory, options, given] = process.argv.slice(2)

async function trained(part: TrainingPart): Promise<Trained> {
  const training = new DurableTraining(
    '',
    JSON.parse(options!) as ConstructorParameters<typeof DurableTraining>[1],
    runDirectory,
  )
  const { warnings } = training
  try {
    return { weightsSha256: (await training.train(part)).outcome?.result.weightsSha256, warnings, hasBegun: true }
  } catch (error) {
    return { warnings, error: (error as Error).message, hasBegun: training.hasBegun }
  }
}

for await (const line of given === undefined ? createInterface(process.stdin) : [given])
  standardOutput.printLine(JSON.stringify(await trained(JSON.parse(line) as TrainingPart)))
