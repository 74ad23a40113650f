import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { Task } from '../../bench/contestant.js'
import type { DurabilityResult } from '../../bench/durability-benchmark.js'
import { benchmarkDurability, durabilityReport } from '../../bench/durability-benchmark.js'
import { benchmarkEngine, median } from '../../bench/engine-benchmark.js'
import type { TaskResults } from '../../bench/engine-report.js'
import { describeConditions, engineReport } from '../../bench/engine-report.js'
import { profileOps } from '../../bench/op-profile.js'
import { peerPython } from '../../bench/peer-environment.js'
import { benchmarkPrediction } from '../../bench/prediction-benchmark.js'
import { benchmarkReporting, reportingReport } from '../../bench/reporting-benchmark.js'
import { benchmarkStraggler } from '../../bench/straggler-benchmark.js'
import type { DeviceChoice } from '../../tensorflow/runtime/device-choice.js'
import { loadTensorflow } from '../../tensorflow/runtime/load-tensorflow.js'
import { findRuntime } from '../../tensorflow/runtime/runtime-directory.js'
import { describeModel } from '../../model/describe-model.js'
import type { NetworkName } from '../../model/networks/networks.js'
import { buildNetwork, NETWORK_NAMES } from '../../model/networks/networks.js'
import { RECIPES } from '../../model/config/recipes.js'
import { PRECISIONS } from '../../model/config/run-config.js'
import { ConvoyError } from '../../shared/errors.js'
import { standardError, standardOutput } from '../../shared/terminal.js'
import { counted } from '../../shared/units.js'
import { deviceOption } from '../flags/device-option.js'
import { checkWritable, integer, listOption } from '../flags/flag-values.js'
import { exchangeCommand } from './bench-exchange.js'
import { faultsCommand } from './bench-faults.js'
import { fitCommand } from './bench-fit.js'
import { modelsCommand } from './bench-models.js'

const MAKERS = ['pytorch', 'tensorflow', 'none'] as const
const MAKER_NAMES = { pytorch: 'PyTorch', tensorflow: 'TensorFlow' } as const
const PROFILE_REPEATS = 5
const SHARD = 32

interface EngineFlags {
  network: NetworkName[]
  precision: Task['precision'][]
  augmentation: ('on' | 'off')[]
  workers: string[]
  peers: (typeof MAKERS)[number][]
  rounds: number
  steps: number
  device: DeviceChoice
  output?: string
  json?: true
  profile?: true
}

interface ReportingFlags {
  readonly workers: number
  readonly rounds: number
  readonly steps: number
  readonly json?: true
}

interface DurabilityFlags extends ReportingFlags {
  readonly network: readonly NetworkName[]
  readonly restarts: number
}

export function benchCommand(): Command {
  return new Command('bench')
    .addCommand(engineCommand())
    .addCommand(exchangeCommand())
    .addCommand(stragglerCommand())
    .addCommand(predictionCommand())
    .addCommand(reportingCommand())
    .addCommand(durabilityCommand())
    .addCommand(faultsCommand())
    .addCommand(fitCommand())
    .addCommand(modelsCommand())
}

function engineCommand(): Command {
  return new Command('engine')
    .description('compare whole training steps with those of PyTorch and TensorFlow, in interleaved rounds')
    .addOption(listOption('--network <names>', NETWORK_NAMES.join(', '), NETWORK_NAMES, ['resnet20']))
    .addOption(listOption('--precision <names>', PRECISIONS.join(', '), PRECISIONS, PRECISIONS))
    .addOption(listOption('--augmentation <on,off>', 'train on augmented images', ['on', 'off'], ['on']))
    .addOption(
      listOption('--workers <numbers>', 'worker counts to measure Convoy with', ['1', '2', '4', '8'], ['1', '2']),
    )
    .addOption(listOption('--peers <names>', MAKERS.join(', '), MAKERS, ['pytorch', 'tensorflow']))
    .option('--rounds <number>', 'turns of each contestant', integer(1, 1000), 5)
    .option('--steps <number>', 'steps in each turn', integer(1, 10_000), 20)
    .addOption(deviceOption())
    .option('--output <file>', 'write the tables to this file as Markdown, and overwrite it')
    .option('--json', 'for machines')
    .option('--profile', 'only show the time of each op of one shard, in float32')
    .action(async (flags: EngineFlags) => {
      if (flags.profile) await profile(flags)
      else await compare(flags)
    })
}

function stragglerCommand(): Command {
  return new Command('straggler')
    .description(
      'measure the cost of a fourth worker at a tenth of the speed (needs Linux and root, for limits on processor time)',
    )
    .option('--rounds <number>', 'turns with and without it', integer(1, 1000), 5)
    .option('--steps <number>', 'steps in each turn', integer(1, 10_000), 30)
    .option('--json', 'for machines')
    .action(async ({ rounds, steps, json }: { rounds: number; steps: number; json?: true }) => {
      const result = await benchmarkStraggler(rounds, steps, log)
      const { ratio, coresEach } = result
      const text =
        `Three workers with ${coresEach.toFixed(2)} cores each: ${median(result.without).toFixed(0)} images/s. ` +
        `With a fourth worker that has a tenth of that: ${median(result.with).toFixed(0)} images/s, ${(100 * ratio).toFixed(1)} %.\n`
      standardOutput.print(json ? `${JSON.stringify(result)}\n` : text)
    })
}

function predictionCommand(): Command {
  return new Command('prediction')
    .description('compare predictions of `convoy simulate` with real runs of 1, 2 and 4 workers on this machine')
    .addOption(new Option('--recipe <name>', 'recipe to train').choices(Object.keys(RECIPES)).default('resnet20'))
    .option('--rounds <number>', 'turns of each number of workers', integer(1, 1000), 3)
    .option('--steps <number>', 'steps in each turn', integer(1, 10_000), 100)
    .option('--json', 'for machines')
    .action(async ({ recipe, rounds, steps, json }: { recipe: string; rounds: number; steps: number; json?: true }) => {
      const results = await benchmarkPrediction(recipe, rounds, steps, log)
      const lines = results.map(({ workers, measured, predicted, ratio }) => {
        const [real, expected] = [measured, predicted].map((rates) => median(rates).toFixed(0))
        return `${counted(workers, 'worker')}: ${real} images/s, predicted ${expected}, ${(100 * ratio).toFixed(1)} %\n`
      })
      standardOutput.print(json ? `${JSON.stringify(results)}\n` : lines.join(''))
    })
}

function reportingCommand(): Command {
  return new Command('reporting')
    .description('measure the cost of reports: metrics file, TensorBoard, Prometheus and page, all on and all off')
    .option('--workers <number>', 'workers of each contestant', integer(1, 256), 2)
    .option('--rounds <number>', 'turns with and without them', integer(1, 1000), 9)
    .option('--steps <number>', 'steps in each turn', integer(1, 10_000), 60)
    .option('--json', 'for machines')
    .action(async ({ workers, rounds, steps, json }: ReportingFlags) => {
      const result = await benchmarkReporting(workers, rounds, steps, log)
      const conditions = describeConditions(findRuntime()?.tensorflowVersion ?? '', new Date())
      const text = `${conditions}; ${counted(rounds, 'round')} of ${counted(steps, 'step')}.\n\n${reportingReport(result)}`
      standardOutput.print(json ? `${JSON.stringify({ conditions, ...result })}\n` : text)
    })
}

function durabilityCommand(): Command {
  return new Command('durability')
    .description(
      'measure checkpoints and step journal: their cost (off, on, synced to the disk after each step), and the time to restart a killed coordinator',
    )
    .addOption(listOption('--network <names>', NETWORK_NAMES.join(', '), NETWORK_NAMES, ['resnet20']))
    .option('--workers <number>', 'workers of each contestant', integer(1, 256), 2)
    .option('--rounds <number>', 'turns of each', integer(1, 1000), 9)
    .option('--steps <number>', 'steps in each turn', integer(1, 10_000), 60)
    .option('--restarts <number>', 'how often a coordinator is killed and restarted', integer(0, 100), 5)
    .option('--json', 'for machines')
    .action(async ({ network, workers, rounds, steps, restarts, json }: DurabilityFlags) => {
      const results: DurabilityResult[] = []
      for (const name of network)
        results.push(await benchmarkDurability(name, { workers, rounds, steps, restarts, log }))
      const conditions = describeConditions(findRuntime()?.tensorflowVersion ?? '', new Date())
      const text = `${conditions}; ${counted(rounds, 'round')} of ${counted(steps, 'step')}.\n\n${durabilityReport(results)}`
      standardOutput.print(json ? `${JSON.stringify({ conditions, results })}\n` : text)
    })
}

function log(text: string): void {
  standardError.printLine(text)
}

async function compare(flags: EngineFlags): Promise<void> {
  if (flags.output !== undefined) checkWritable('--output', flags.output)
  if (flags.peers.includes('none') && flags.peers.length > 1)
    throw new ConvoyError('usage', '--peers: none cannot be combined with others.')
  const python = flags.peers.includes('none') ? undefined : await peerPython(log)
  const makers = flags.peers.flatMap((maker) => (maker === 'none' ? [] : [MAKER_NAMES[maker]]))
  const all: TaskResults[] = []
  for (const network of flags.network) {
    for (const precision of flags.precision) {
      for (const augmentation of flags.augmentation) {
        const task = { network, precision, augmentation: augmentation === 'on' }
        log(`${network}, ${precision}, augmentation ${augmentation}`)
        const workers = flags.workers.map(Number)
        const { rounds, steps, device } = flags
        all.push({
          task,
          results: await benchmarkEngine({ task, workers, device, makers, python, rounds, steps, log }),
        })
      }
    }
  }
  const conditions = describeConditions(findRuntime()?.tensorflowVersion ?? '', new Date())
  const report = `${conditions}; ${counted(flags.rounds, 'round')} of ${counted(flags.steps, 'step')}.\n\n${engineReport(all)}`
  standardOutput.print(flags.json ? `${JSON.stringify({ conditions, tasks: all })}\n` : report)
  if (flags.output !== undefined) writeFileSync(flags.output, report)
}

async function profile({ network, device, json }: EngineFlags): Promise<void> {
  loadTensorflow(device)
  for (const name of network) {
    const layers = await buildNetwork({ name, reg: 0, dropoutRate: 0 }, [32, 32, 3], 10)
    const model = describeModel(layers)
    layers.dispose()
    const times = await profileOps(
      {
        model,
        shardSize: SHARD,
        evaluationShardSize: SHARD,
        labelSmoothing: 0,
        precision: 'float32',
        augment: true,
        fillMode: 'reflect',
      },
      PROFILE_REPEATS,
    )
    if (json) {
      standardOutput.print(`${JSON.stringify({ network: name, shardSize: SHARD, ops: times })}\n`)
      continue
    }
    const total = times.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
    standardOutput.print(`${name}, float32: one shard of ${SHARD} images, ${total.toFixed(1)} ms in ops\n`)
    for (const { op, calls, milliseconds } of times) {
      const share = ((100 * milliseconds) / total).toFixed(1)
      standardOutput.print(
        `${op.padEnd(32)}${milliseconds.toFixed(2).padStart(8)} ms ${share.padStart(5)} %  ${calls.toFixed(0).padStart(4)} calls\n`,
      )
    }
  }
}
