import os from 'node:os'
import { Command, Option } from 'commander'
import { convoyContestant } from '../../bench/faults/convoy-run.js'
import { describeConditions } from '../../bench/engine-report.js'
import { benchmarkFaults } from '../../bench/faults/fault-benchmark.js'
import { faultReport } from '../../bench/faults/fault-report.js'
import { ddpContestant, torchftContestant } from '../../bench/faults/peer-run.js'
import { peerPython } from '../../bench/peer-environment.js'
import type { NetworkName } from '../../model/networks/networks.js'
import { NETWORK_NAMES } from '../../model/networks/networks.js'
import { ConvoyError } from '../../shared/errors.js'
import { standardError, standardOutput } from '../../shared/terminal.js'
import { counted } from '../../shared/units.js'
import { findRuntime } from '../../tensorflow/runtime/runtime-directory.js'
import { integer, listOption } from '../flags/flag-values.js'

const PEERS = { ddp: ddpContestant, torchft: torchftContestant }
/** Numbers that divide the batch. */
const WORKERS = ['1', '2', '4', '8']

interface FaultFlags {
  readonly network: NetworkName
  readonly data?: string
  readonly peers: readonly (keyof typeof PEERS | 'none')[]
  readonly workers: string
  readonly steps: number
  readonly rounds: number
  readonly killWorker: number
  readonly killCoordinator: number
  readonly json?: true
}

export function faultsCommand(): Command {
  const most = WORKERS.findLast((count) => Number(count) <= os.availableParallelism())!
  const names = [...Object.keys(PEERS), 'none']
  return new Command('faults')
    .description(
      'measure what failures cost, beside PyTorch DDP under torchrun and torchft: without kills and with them',
    )
    .addOption(new Option('--network <name>', 'network to train').choices(NETWORK_NAMES).default('resnet20'))
    .option('--data <name or path>', 'data set (default: the embedded cifar10)')
    .addOption(listOption('--peers <names>', names.join(', '), names, Object.keys(PEERS)))
    .addOption(new Option('--workers <number>', 'workers of each contestant').choices(WORKERS).default(most))
    .option('--steps <number>', 'steps of each run', integer(2, 1_000_000), 1_000)
    .option('--rounds <number>', 'runs of each contestant, without failures and with them', integer(1, 100), 3)
    .option('--kill-worker <seconds>', 'time between two kills of a worker', integer(1, 86_400), 20)
    .option('--kill-coordinator <seconds>', 'time between two kills of the coordinator', integer(1, 86_400), 60)
    .option('--json', 'for machines')
    .action(compare)
}

async function compare(flags: FaultFlags): Promise<void> {
  const { network, data, peers, steps, rounds, killWorker, killCoordinator, json } = flags
  if (peers.includes('none') && peers.length > 1)
    throw new ConvoyError('usage', '--peers: none cannot be combined with others.')
  const task = { network, data, workers: Number(flags.workers), steps }
  const contestants = [convoyContestant(task)]
  if (!peers.includes('none')) {
    const python = await peerPython(log)
    for (const peer of peers) if (peer !== 'none') contestants.push(PEERS[peer](task, python))
  }
  const intervals = { workerSeconds: killWorker, coordinatorSeconds: killCoordinator }
  const results = await benchmarkFaults({ task, contestants, intervals, rounds, log })
  const conditions = describeConditions(findRuntime()?.tensorflowVersion ?? '', new Date())
  const text =
    `${conditions}; ${network}, ${counted(steps, 'step')}, ${counted(rounds, 'round')}; a worker is killed every ${killWorker} s, ` +
    `the coordinator (of peers: rank 0) every ${killCoordinator} s.\n\n${faultReport(results)}`
  standardOutput.print(json ? `${JSON.stringify({ conditions, task, intervals, results })}\n` : text)
}

function log(text: string): void {
  standardError.printLine(text)
}
