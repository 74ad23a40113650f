import { Command } from 'commander'
import { describeConditions } from '../../bench/engine-report.js'
import type { ModelProgramName } from '../../bench/models/model-programs.js'
import { MODEL_BATCH_SIZE, MODEL_PROGRAM_NAMES } from '../../bench/models/model-programs.js'
import type { ModelsResult } from '../../bench/models/models-benchmark.js'
import { benchmarkModel } from '../../bench/models/models-benchmark.js'
import { modelsReport, ratioOf } from '../../bench/models/models-report.js'
import { peerPython } from '../../bench/peer-environment.js'
import { ConvoyError } from '../../shared/errors.js'
import { standardError, standardOutput } from '../../shared/terminal.js'
import { counted } from '../../shared/units.js'
import { findRuntime } from '../../tensorflow/runtime/runtime-directory.js'
import { integer, listOption } from '../flags/flag-values.js'

const PEERS = ['tensorflow', 'none'] as const

interface ModelsFlags {
  readonly program: readonly ModelProgramName[]
  readonly peers: readonly (typeof PEERS)[number][]
  readonly samples: number
  readonly shardSize: number
  readonly rounds: number
  readonly steps: number
  readonly json?: true
}

export function modelsCommand(): Command {
  return new Command('models')
    .description('compare `convoy train --model` on images and on a table with the same models in TensorFlow')
    .addOption(
      listOption('--program <names>', MODEL_PROGRAM_NAMES.join(', '), MODEL_PROGRAM_NAMES, MODEL_PROGRAM_NAMES),
    )
    .addOption(listOption('--peers <names>', PEERS.join(', '), PEERS, ['tensorflow']))
    .option('--samples <number>', 'samples to train on', integer(MODEL_BATCH_SIZE, 100_000), 2_000)
    .option(
      '--shard-size <number>',
      `of Convoy; a divisor of the batch, ${MODEL_BATCH_SIZE}`,
      integer(1, MODEL_BATCH_SIZE),
      32,
    )
    .option('--rounds <number>', 'turns of each contestant', integer(1, 1000), 3)
    .option('--steps <number>', 'steps that are measured in each turn', integer(1, 10_000), 40)
    .option('--json', 'for machines')
    .action(compare)
}

async function compare({ program: programs, peers, json, ...options }: ModelsFlags): Promise<void> {
  if (peers.includes('none') && peers.length > 1)
    throw new ConvoyError('usage', '--peers: none cannot be combined with others.')
  const { shardSize, rounds, steps, samples } = options
  if (MODEL_BATCH_SIZE % shardSize !== 0)
    throw new ConvoyError(
      'usage',
      `--shard-size: ${shardSize} does not divide the batch of ${MODEL_BATCH_SIZE}; use 32.`,
    )
  const python = peers.includes('none') ? undefined : await peerPython(log)
  const results: ModelsResult[] = []
  for (const program of programs) results.push(await benchmarkModel({ ...options, program, python, log }))
  const conditions = describeConditions(findRuntime()?.tensorflowVersion ?? '', new Date())
  const counts = `${counted(rounds, 'round')} of ${counted(steps, 'step')}, batch ${MODEL_BATCH_SIZE}, shards of ${shardSize}, ${counted(samples, 'sample')}`
  standardOutput.print(
    json
      ? `${JSON.stringify({ conditions, ...options, programs: results.map((one) => ({ ...one, ratio: ratioOf(one) })) })}\n`
      : `${conditions}; ${counts}.\n\n${modelsReport(results)}`,
  )
}

function log(text: string): void {
  standardError.printLine(text)
}
