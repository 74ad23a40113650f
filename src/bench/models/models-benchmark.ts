import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { ConvoyError } from '../../shared/errors.js'
import { PEERS_DIRECTORY } from '../peer-environment.js'
import { ownCache, runContestant } from '../run-contestant.js'
import { trainRun } from '../train-run.js'
import type { ModelProgramName } from './model-programs.js'
import { MODEL_BATCH_SIZE, MODEL_PROGRAMS } from './model-programs.js'

export interface ModelsBenchmarkOptions {
  readonly program: ModelProgramName
  readonly samples: number
  readonly shardSize: number
  readonly rounds: number
  /** Steps that are measured in each turn. */
  readonly steps: number
  /** Python of the peer; undefined without it. */
  readonly python: string | undefined
  readonly log: (text: string) => void
}

export interface ModelsResult {
  readonly program: ModelProgramName
  /** Trainable. */
  readonly parameters: number
  /** Samples per second, round by round. */
  readonly convoy: readonly number[]
  /** Likewise; empty without the peer. */
  readonly tensorflow: readonly number[]
}

interface Turn {
  readonly parameters: number
  /** Samples per second of the measured steps. */
  readonly rate: number
}

/** Steps before those that are measured: graphs and caches. */
const WARM_UP_STEPS = 5

/**
 * Trains a model with `convoy train` and in TensorFlow's Python, in turns, every time in a process of its own. The data are made first.
 * @throws ConvoyError('environment') when a contestant fails, ConvoyError('internal') when both train different models
 */
export async function benchmarkModel(options: ModelsBenchmarkOptions): Promise<ModelsResult> {
  const { program, samples, rounds, python, log } = options
  const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-bench-models-'))
  const [ours, theirs]: [Turn[], Turn[]] = [[], []]
  try {
    const environment = ownCache(directory)
    const data = await MODEL_PROGRAMS[program].write(samples, directory)
    for (let round = 0; round < rounds; round++) {
      ours.push(await trainRun(flagsOf(options, data), WARM_UP_STEPS, environment))
      if (python !== undefined) theirs.push(await peerTurn(python, options))
      const latest = [ours, theirs].flatMap((turns) => turns.at(-1)?.rate.toFixed(0) ?? [])
      log(`${program}, round ${round + 1} of ${rounds}: ${latest.join(', ')} samples/s`)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  const { parameters } = ours[0]!
  const differing = theirs.find((turn) => turn.parameters !== parameters)
  if (differing)
    throw new ConvoyError(
      'internal',
      `${program}: TensorFlow trains ${differing.parameters} parameters and Convoy ${parameters}`,
    )
  const rates = (turns: readonly Turn[]): number[] => turns.map(({ rate }) => rate)
  return { program, parameters, convoy: rates(ours), tensorflow: rates(theirs) }
}

function flagsOf({ program, shardSize, steps }: ModelsBenchmarkOptions, data: string): string[] {
  return [
    ...['--model', MODEL_PROGRAMS[program].module, '--data', data, '--max-steps', `${WARM_UP_STEPS + steps}`],
    ...['--batch-size', `${MODEL_BATCH_SIZE}`, '--shard-size', `${shardSize}`, '--epochs', '100000'],
    // As the peer: it never evaluates, and trains on all samples.
    ...['--no-augmentation', '--set', 'validationSamples=0', '--log-level', 'warn'],
    ...['--optimizer', 'sgd', '--set', 'optimizer.nesterov=false'],
  ]
}

async function peerTurn(python: string, { program, samples, steps }: ModelsBenchmarkOptions): Promise<Turn> {
  const file = path.join(PEERS_DIRECTORY, 'tensorflow_models.py')
  const args = [file, program, `${samples}`, `${MODEL_BATCH_SIZE}`, `${WARM_UP_STEPS + steps}`]
  const training = (await runContestant(python, args)) as { parameters: number; seconds: number[] }
  const seconds = training.seconds.slice(WARM_UP_STEPS).reduce((sum, one) => sum + one, 0)
  return { parameters: training.parameters, rate: (MODEL_BATCH_SIZE * steps) / seconds }
}
