import { Command } from 'commander'
import { z } from 'zod'
import { ConvoyError } from '../../shared/errors.js'
import { Table } from '../../shared/table.js'
import { standardOutput } from '../../shared/terminal.js'
import { counted, formatBandwidth, formatBytes, formatShare, parseBandwidth } from '../../shared/units.js'
import type { ClusterScenario } from '../../simulation/cluster-scenario.js'
import { LOCAL_CLUSTER, MAX_JITTER } from '../../simulation/cluster-scenario.js'
import { guessedExchange, readExchange } from '../../simulation/exchange-costs.js'
import { measuredCluster, readMeasuredRuns } from '../../simulation/measured-cluster.js'
import type { Prediction } from '../../simulation/predict-throughput.js'
import { predictThroughput } from '../../simulation/predict-throughput.js'
import { flagProblems, problemsOf, reportsFlagProblems, throwProblems } from '../flags/flag-problems.js'

const MAX_WORKERS = 1_024
const MAX_BATCH_SIZE = 1_048_576
/** Of a network between machines in one room. */
const GUESSED_LATENCY_MS = 0.1

const number = (low: number, high: number) => z.coerce.number().min(low).max(high)
const whole = (low: number, high: number) => number(low, high).int()

const flagsSchema = z.object({
  from: z.array(z.string()),
  exchange: z.string().optional(),
  workers: z
    .string()
    .regex(/^\d+(,\d+)*$/, 'give numbers with commas between them, such as 1,8,64')
    .transform((text) => text.split(',').map(Number))
    .refine(
      (counts) => counts.every((count) => count >= 1 && count <= MAX_WORKERS),
      `1 to ${counted(MAX_WORKERS, 'worker')}`,
    ),
  relays: whole(1, 256).optional(),
  cores: whole(1, 100_000).optional(),
  batchSize: whole(1, MAX_BATCH_SIZE).optional(),
  shardsPerWorker: whole(1, 1_024).optional(),
  shardSize: whole(1, 65_536).optional(),
  shardMs: number(0.01, 1_000_000).optional(),
  jitter: number(0, MAX_JITTER).optional(),
  bandwidth: z
    .string()
    .transform(parseBandwidth)
    .pipe(z.number('give a rate such as 10Gbit/s, 1.25GB/s, or bytes per second').min(1e3).max(1e13))
    .optional(),
  latency: number(0, 10_000).optional(),
  failures: number(0, 3_600),
  restart: number(0.1, 3_600),
  steps: whole(10, 2_000),
  seed: whole(0, 0xffff_ffff),
})

type Flags = z.output<typeof flagsSchema>

export function simulateCommand(): Command {
  return reportsFlagProblems(new Command('simulate'))
    .requiredOption(
      '--from <run directories...>',
      'finished runs of the same model, to take the time of a shard from; with several runs of different numbers of workers on one machine, also how much workers slow each other down',
    )
    .option(
      '--exchange <file>',
      'output of `convoy bench exchange --workers 1 --json`, to take the time of weights and results from (default: a guess)',
    )
    .option('--workers <numbers>', 'worker counts, such as 1,8,1024', '1,2,4,8,16,32,64,128,256,512,1024')
    .option('--relays <workers>', 'put so many workers behind each relay, such as 8 (default: no relays)')
    .option('--cores <number>', 'cores or GPUs that the workers share (default: one each)')
    .option('--batch-size <samples>', "samples per step (default: the run's)")
    .option('--shards-per-worker <number>', 'let the batch grow with the workers (default: one batch size for all)')
    .option('--shard-size <samples>', "samples per unit of work (default: the run's)")
    .option('--shard-ms <milliseconds>', 'time of one core for one shard (default: as measured)')
    .option('--jitter <share>', 'relative spread of the time of a shard (default: as measured)')
    .option(
      '--bandwidth <rate>',
      "of the network link of the coordinator's machine, each way, such as 10Gbit/s or 1.25GB/s (default: all workers are on that machine, and vectors in its memory)",
    )
    .option('--latency <milliseconds>', `latency of the link, one way (default: ${GUESSED_LATENCY_MS}, a guess)`)
    .option('--failures <per hour>', 'failure rate of each worker', `${LOCAL_CLUSTER.failuresPerWorkerHour}`)
    .option('--restart <seconds>', 'time until a failed worker is back', `${LOCAL_CLUSTER.restartMs / 1000}`)
    .option('--steps <number>', 'number of steps to simulate', '30')
    .option('--seed <number>', 'seed of failures and jitter', '1')
    .option('--json', 'for machines')
    .action(async ({ json, ...raw }: { json?: true; from?: string[]; exchange?: string }, command: Command) => {
      const parsed = flagsSchema.safeParse(raw)
      // Commander reports a missing --from.
      const issues = (parsed.error?.issues ?? []).filter(({ path: [flag] }) => flag !== 'from')
      throwProblems([
        ...flagProblems(command),
        ...issues.map(({ path: [flag], message }) => `--${kebab(String(flag))}: ${message}`),
        ...(parsed.success ? contradictions(parsed.data) : []),
        ...(await problemsOf(() => raw.from && readMeasuredRuns(raw.from))),
        ...(await problemsOf(() => raw.exchange !== undefined && readExchange(raw.exchange))),
      ])
      const { workers, ...flags } = parsed.data!
      const scenarios = workers.map((count) => scenario(flags, count))
      const predictions: Prediction[] = []
      for (const one of scenarios) predictions.push(await predictThroughput(one))
      const [{ exchange, link, relays, vectorBytes, resultMs, betweenStepsMs }] = scenarios as [ClusterScenario]
      const costs = { vectorBytes, resultMs, betweenStepsMs, exchange }
      const guesses = guessesOf(flags)
      const text = `${describe(predictions)}${describeCluster(scenarios[0]!)}\n${guesses.map((guess) => `Guessed: ${guess}.\n`).join('')}`
      standardOutput.print(json ? `${JSON.stringify({ relays, link, costs, guesses, predictions })}\n` : text)
    })
}

function contradictions({ relays, bandwidth, latency, batchSize, shardsPerWorker }: Flags): string[] {
  return [
    ...(relays !== undefined && bandwidth === undefined
      ? ['--relays: relays are for workers on other machines; give the --bandwidth of the link to them']
      : []),
    ...(latency !== undefined && bandwidth === undefined
      ? ['--latency: without --bandwidth there is no link; give both or neither']
      : []),
    ...(batchSize !== undefined && shardsPerWorker !== undefined
      ? ['--shards-per-worker: it sets the batch size, and so does --batch-size; give one of them']
      : []),
  ]
}

function guessesOf({ from, jitter, exchange, bandwidth, latency }: Omit<Flags, 'workers'>): string[] {
  const runs = readMeasuredRuns(from)
  return [
    ...(jitter === undefined && runs.some(({ timing }) => timing.shardJitter === undefined)
      ? [
          `a spread of ${formatShare(LOCAL_CLUSTER.jitter)} of the time of a shard; see --jitter, or use a run of this version`,
        ]
      : []),
    ...(runs.some(({ config }) => config.wire !== undefined)
      ? ['that results have the bytes of float32, although the runs sent them as bfloat16']
      : []),
    ...(exchange === undefined ? ['what weights and results cost; --exchange takes what was measured'] : []),
    ...(bandwidth !== undefined && latency === undefined
      ? [`a latency of ${GUESSED_LATENCY_MS} ms; see --latency`]
      : []),
  ]
}

function scenario(flags: Omit<Flags, 'workers'>, workers: number): ClusterScenario {
  const measured = measuredCluster(readMeasuredRuns(flags.from), workers, flags.cores ?? workers)
  const shardSize = flags.shardSize ?? measured.shardSize
  const ownSize = flags.shardsPerWorker && flags.shardsPerWorker * workers * shardSize
  const batchSize = ownSize ?? flags.batchSize ?? measured.shards * measured.shardSize
  if (batchSize > MAX_BATCH_SIZE)
    throw new ConvoyError(
      'usage',
      `--shards-per-worker ${flags.shardsPerWorker}: ${counted(workers, 'worker')} would have a batch of ${counted(batchSize, 'sample')}; ` +
        `${counted(MAX_BATCH_SIZE, 'sample')} are allowed. Give a smaller number, or a smaller --shard-size`,
    )
  if (batchSize % shardSize !== 0) {
    throw new ConvoyError('usage', `--batch-size ${batchSize} is no multiple of --shard-size ${shardSize}`)
  }
  const shardMs = flags.shardMs ?? measured.shardMs * (shardSize / measured.shardSize)
  const { bandwidth, latency: latencyMs = GUESSED_LATENCY_MS } = flags
  return {
    ...{ ...measured, shards: batchSize / shardSize, shardSize, shardMs, relays: flags.relays ?? 0 },
    link: bandwidth === undefined ? undefined : { bandwidth, latencyMs },
    exchange: (flags.exchange === undefined ? guessedExchange : readExchange(flags.exchange))(measured.vectorBytes),
    ...{ jitter: flags.jitter ?? measured.jitter, steps: flags.steps, failuresPerWorkerHour: flags.failures },
    ...{ restartMs: flags.restart * 1000, seed: flags.seed },
  }
}

function describe(predictions: readonly Prediction[]): string {
  const table = new Table({
    head: ['workers', 'images/s', 'step', 'efficiency', 'goodput', 'bottleneck'],
  })
  for (const { workers, samplesPerSecond, stepMs, efficiency, goodput, bottleneck } of predictions) {
    table.push([
      workers,
      samplesPerSecond.toFixed(0),
      `${stepMs.toFixed(0)} ms`,
      formatShare(efficiency),
      formatShare(goodput),
      bottleneck,
    ])
  }
  return `${table.toString()}\n`
}

/** Where the workers are, and what each vector costs the coordinator. */
function describeCluster({ relays, link, exchange, vectorBytes, resultMs, betweenStepsMs }: ClusterScenario): string {
  const where = link
    ? `over a link of ${formatBandwidth(link.bandwidth)}${relays > 0 ? `, ${counted(relays, 'worker')} behind each relay` : ''}`
    : "on the coordinator's machine"
  const { sendMs, receiveMs } = link ? exchange.network : exchange.memory
  const costs = `${sendMs.toFixed(2)} ms to send weights, ${(receiveMs + resultMs).toFixed(2)} ms to take a result`
  return (
    `Workers ${where}; a vector has ${formatBytes(vectorBytes)}.\n` +
    `The coordinator's thread: ${costs}, for each ${relays > 0 ? 'relay' : 'worker'}; ${betweenStepsMs.toFixed(2)} ms between steps.`
  )
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
