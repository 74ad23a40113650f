import { Command, InvalidArgumentError, Option } from 'commander'
import { describeConditions } from '../../bench/engine-report.js'
import type { ExchangeResult } from '../../bench/exchange/exchange-benchmark.js'
import { benchmarkExchange } from '../../bench/exchange/exchange-benchmark.js'
import { exchangeReport } from '../../bench/exchange/exchange-report.js'
import type { ExchangeOptimizer } from '../../bench/exchange/synthetic-run.js'
import { OPTIMIZERS } from '../../bench/exchange/synthetic-run.js'
import type { VectorPath } from '../../bench/exchange/worker-processes.js'
import { PATHS } from '../../bench/exchange/worker-processes.js'
import type { Wire } from '../../model/config/run-config.js'
import { WIRES } from '../../model/config/run-config.js'
import { peerPython } from '../../bench/peer-environment.js'
import { ConvoyError } from '../../shared/errors.js'
import { standardError, standardOutput } from '../../shared/terminal.js'
import { counted } from '../../shared/units.js'
import { findRuntime } from '../../tensorflow/runtime/runtime-directory.js'
import { integer, listOption } from '../flags/flag-values.js'

/** Weights of resnet20, resnet56, resnet18, and as much again three times. */
const MEGABYTES = [1.1, 3.4, 44.8, 146]
const LEAST_MEGABYTES = 0.001
const MOST_MEGABYTES = 1_000
const MAX_COMPUTE_MS = 10_000
const MOST_WORKERS = 64
const MAX_DELAY_MS = 1_000
const MOST_MEGABITS = 100_000

interface ExchangeFlags {
  readonly megabytes: readonly number[]
  readonly workers: readonly number[]
  readonly relays: number
  readonly delay: readonly number[]
  readonly bandwidth: number
  readonly compute: number
  readonly path: readonly VectorPath[]
  readonly wire: readonly Wire[]
  readonly optimizer: ExchangeOptimizer
  readonly rounds: number
  readonly steps: number
  readonly peers: 'gloo' | 'none'
  readonly json?: true
}

export function exchangeCommand(): Command {
  return new Command('exchange')
    .description(
      'measure the exchange of a step alone, between a coordinator and workers that compute nothing, beside what the same bytes take otherwise',
    )
    .option('--megabytes <numbers>', 'sizes of the weights', megabytes, MEGABYTES)
    .option('--workers <numbers>', 'worker counts to measure with', workerCounts, [1, 2])
    .option(
      '--relays <number>',
      'measure workers behind so many relays too, one process each',
      integer(0, MOST_WORKERS),
      0,
    )
    .option('--compute <ms>', 'how long a worker waits at each shard, as if a GPU computed it', milliseconds, 0)
    .addOption(listOption('--path <names>', 'how vectors travel: memory, network', PATHS, PATHS))
    .addOption(listOption('--wire <names>', 'number formats of gradients: float32, bfloat16', WIRES, ['float32']))
    .option(
      '--delay <ms>',
      'round trips of links between the coordinator and workers that use the network',
      delays,
      [0],
    )
    .option('--bandwidth <Mbit/s>', 'limit of each connection of such a link; 0: none', integer(0, MOST_MEGABITS), 0)
    .addOption(new Option('--optimizer <name>', 'optimizer of the coordinator').choices(OPTIMIZERS).default('sgd'))
    .option('--rounds <number>', 'turns of each contestant', integer(1, 1000), 3)
    .option('--steps <number>', 'steps in each turn', integer(1, 10_000), 100)
    .addOption(new Option('--peers <name>', 'compare with PyTorch').choices(['gloo', 'none']).default('gloo'))
    .option('--json', 'for machines')
    .action(measure)
}

function megabytes(text: string): number[] {
  const values = text.split(',').map(Number)
  if (values.some((value) => !(value >= LEAST_MEGABYTES && value <= MOST_MEGABYTES)))
    throw new InvalidArgumentError(
      `It takes millions of bytes, from ${LEAST_MEGABYTES} to ${MOST_MEGABYTES}, separated by commas.`,
    )
  return values
}

function workerCounts(text: string): number[] {
  return text.split(',').map((one) => {
    const value = Number(one)
    if (one.trim() !== '' && Number.isInteger(value) && value >= 1 && value <= MOST_WORKERS) return value
    throw new InvalidArgumentError(`It takes whole numbers from 1 to ${MOST_WORKERS}, separated by commas.`)
  })
}

function milliseconds(text: string): number {
  const value = readMilliseconds(text)
  if (value >= 0 && value <= MAX_COMPUTE_MS) return value
  throw new InvalidArgumentError(`It takes milliseconds, from 0 to ${MAX_COMPUTE_MS}, such as 3ms.`)
}

function delays(text: string): number[] {
  return [...new Set(text.split(',').map(readMilliseconds))].map((value) => {
    if (value >= 0 && value <= MAX_DELAY_MS) return value
    throw new InvalidArgumentError(
      `It takes milliseconds, from 0 to ${MAX_DELAY_MS}, separated by commas, such as 2ms,10ms,50ms.`,
    )
  })
}

/** @returns NaN for what is no number */
function readMilliseconds(text: string): number {
  const [, digits] = /^\s*([0-9.]+)\s*(?:ms)?\s*$/.exec(text) ?? []
  return Number(digits ?? NaN)
}

/** @throws ConvoyError('usage') for a flag that would have no effect beside the others */
function checkPlaces({ workers, relays, delay, bandwidth, path }: ExchangeFlags): void {
  const hasLinks = delay.some((ms) => ms > 0)
  if (bandwidth > 0 && !hasLinks)
    throw new ConvoyError('usage', '--bandwidth: without a delay there is no link; give --delay too, such as 2ms.')
  if ((hasLinks || relays > 0) && !path.includes('network'))
    throw new ConvoyError(
      'usage',
      `${hasLinks ? '--delay' : '--relays'}: only workers that use the network have it; add network to --path.`,
    )
  if (relays > Math.max(...workers))
    throw new ConvoyError('usage', `--relays: there are fewer workers; give --workers ${relays} or more.`)
}

async function measure(flags: ExchangeFlags): Promise<void> {
  checkPlaces(flags)
  const { optimizer, compute, rounds, steps, json, workers, relays, delay: delaysMs, bandwidth: megabits } = flags
  const python = flags.peers === 'gloo' ? await peerPython(log) : undefined
  const places = { workers, relays, delaysMs, megabits, paths: flags.path, wires: flags.wire }
  const options = { ...places, computeMs: compute, optimizer, python }
  const results: ExchangeResult[] = []
  for (const size of flags.megabytes)
    results.push(await benchmarkExchange({ ...options, megabytes: size, rounds, steps, log }))
  const conditions = describeConditions(findRuntime()?.tensorflowVersion ?? '', new Date())
  const text =
    `${conditions}; ${counted(rounds, 'round')} of ${counted(steps, 'step')}, ` +
    `optimizer ${optimizer}, ${compute} ms for each shard${megabits > 0 ? `, links of ${megabits} Mbit/s` : ''}.\n\n${exchangeReport(results)}`
  standardOutput.print(
    json ? `${JSON.stringify({ conditions, optimizer, computeMs: compute, megabits, sizes: results })}\n` : text,
  )
}

function log(text: string): void {
  standardError.printLine(text)
}
