import { Command } from 'commander'
import { describeConditions } from '../../bench/engine-report.js'
import type { ContestantName } from '../../bench/fit/fit-benchmark.js'
import { benchmarkFit, CONTESTANTS } from '../../bench/fit/fit-benchmark.js'
import type { ProgramResults } from '../../bench/fit/fit-report.js'
import { fitReport } from '../../bench/fit/fit-report.js'
import { speedup } from '../../bench/fit/fit-result.js'
import type { ProgramName } from '../../bench/fit/programs.js'
import { FIT_PROGRAMS, PROGRAM_NAMES } from '../../bench/fit/programs.js'
import { peerPython } from '../../bench/peer-environment.js'
import { ConvoyError } from '../../shared/errors.js'
import { standardError, standardOutput } from '../../shared/terminal.js'
import { counted } from '../../shared/units.js'
import { findRuntime } from '../../tensorflow/runtime/runtime-directory.js'
import { integer, listOption } from '../flags/flag-values.js'

const PEERS = CONTESTANTS.filter((name) => name !== 'fit')

interface FitFlags {
  readonly program: readonly ProgramName[]
  readonly peers: readonly (Exclude<ContestantName, 'fit'> | 'none')[]
  readonly epochs: number
  readonly samples?: number
  readonly rounds: number
  readonly json?: true
}

export function fitCommand(): Command {
  const names = [...PEERS, 'none']
  return new Command('fit')
    .description('compare programs that call `fit` with the same ones in TensorFlow.js and in Keras, start-up included')
    .addOption(listOption('--program <names>', PROGRAM_NAMES.join(', '), PROGRAM_NAMES, PROGRAM_NAMES))
    .addOption(listOption('--peers <names>', names.join(', '), names, PEERS))
    .option('--epochs <number>', 'epochs of each training', integer(2, 10_000), 10)
    .option('--samples <number>', 'samples of an epoch (default: those of each program)', integer(1, 1_000_000))
    .option('--rounds <number>', 'turns of each contestant', integer(1, 1000), 3)
    .option('--json', 'for machines')
    .action(compare)
}

async function compare({ program: programs, peers, epochs, samples, rounds, json }: FitFlags): Promise<void> {
  if (peers.includes('none') && peers.length > 1)
    throw new ConvoyError('usage', '--peers: none cannot be combined with others.')
  const contestants: ContestantName[] = ['fit', ...peers.filter((peer) => peer !== 'none')]
  const python = contestants.includes('keras') ? await peerPython(log) : undefined
  const all: ProgramResults[] = []
  for (const program of programs) {
    const { batchSize, samples: usual } = FIT_PROGRAMS[program]
    // Full batches alone: the last one of an epoch is another in each contestant.
    const count = samples === undefined ? usual : batchSize * Math.ceil(samples / batchSize)
    const options = { program, epochs, rounds, contestants, python, log, samples: count }
    all.push({ program, samples: count, epochs, results: await benchmarkFit(options) })
  }
  const conditions = describeConditions(findRuntime()?.tensorflowVersion ?? '', new Date())
  standardOutput.print(
    json
      ? `${JSON.stringify({ conditions, programs: all.map(withRatios) })}\n`
      : `${conditions}; ${counted(rounds, 'round')}.\n\n${fitReport(all)}`,
  )
}

/** With how many times as fast as each other contestant Convoy is. */
function withRatios(one: ProgramResults): object {
  const [ours, ...others] = one.results
  return { ...one, ratios: Object.fromEntries(others.map((other) => [other.name, speedup(ours!, other)])) }
}

function log(text: string): void {
  standardError.printLine(text)
}
