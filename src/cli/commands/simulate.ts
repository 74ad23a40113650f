import { Command } from 'commander'
import { z } from 'zod'
import { ConvoyError } from '../../shared/errors.js'
import { Table } from '../../shared/table.js'
import { standardOutput } from '../../shared/terminal.js'
import { counted, formatShare } from '../../shared/units.js'
import { measuredCluster, readMeasuredRuns } from '../../simulation/measured-cluster.js'
import { flagProblems, problemsOf, reportsFlagProblems, throwProblems } from '../flags/flag-problems.js'
import type { Prediction, ClusterScenario } from '../../simulation/predict-throughput.js'
import { LOCAL_CLUSTER, predictThroughput } from '../../simulation/predict-throughput.js'

const MAX_WORKERS = 256

const number = (low: number, high: number) => z.coerce.number().min(low).max(high)
const whole = (low: number, high: number) => number(low, high).int()

const flagsSchema = z.object({
  from: z.array(z.string()),
  workers: z
    .string()
    .regex(/^\d+(,\d+)*$/, 'give numbers with commas between them, such as 1,8,64')
    .transform((text) => text.split(',').map(Number))
    .refine(
      (counts) => counts.every((count) => count >= 1 && count <= MAX_WORKERS),
      `1 to ${counted(MAX_WORKERS, 'worker')}`,
    ),
  cores: whole(1, 100_000).optional(),
  batchSize: whole(1, 1_048_576).optional(),
  shardSize: whole(1, 65_536).optional(),
  shardMs: number(0.01, 1_000_000).optional(),
  jitter: number(0, 0.9),
  bandwidth: number(1e3, 1e13),
  latency: number(0, 10_000),
  failures: number(0, 3_600),
  restart: number(0.1, 3_600),
  steps: whole(10, 2_000),
  seed: whole(0, 0xffff_ffff),
})

export function simulateCommand(): Command {
  return reportsFlagProblems(new Command('simulate'))
    .requiredOption(
      '--from <run directories...>',
      'finished runs of the same model, to take the time of a shard from; with several runs of different numbers of workers on one machine, also how much workers slow each other down',
    )
    .option('--workers <numbers>', 'worker counts, such as 1,8,64', '1,2,4,8,16,32,64')
    .option('--cores <number>', 'cores or GPUs that the workers share (default: one each)')
    .option('--batch-size <samples>', "samples per step (default: the run's)")
    .option('--shard-size <samples>', "samples per unit of work (default: the run's)")
    .option('--shard-ms <milliseconds>', 'time of one core for one shard (default: as measured)')
    .option('--jitter <share>', 'relative spread of the time of a shard', `${LOCAL_CLUSTER.jitter}`)
    .option(
      '--bandwidth <bytes per second>',
      "bandwidth of the coordinator's link, shared by all workers",
      `${LOCAL_CLUSTER.bandwidth}`,
    )
    .option('--latency <milliseconds>', 'latency of the link, one way', `${LOCAL_CLUSTER.latencyMs}`)
    .option('--failures <per hour>', 'failure rate of each worker', `${LOCAL_CLUSTER.failuresPerWorkerHour}`)
    .option('--restart <seconds>', 'time until a failed worker is back', `${LOCAL_CLUSTER.restartMs / 1000}`)
    .option('--steps <number>', 'number of steps to simulate', '200')
    .option('--seed <number>', 'seed of failures and jitter', '1')
    .option('--json', 'for machines')
    .action(async ({ json, ...raw }: { json?: true; from?: string[] }, command: Command) => {
      const parsed = flagsSchema.safeParse(raw)
      // Commander reports a missing --from.
      const issues = (parsed.error?.issues ?? []).filter(({ path: [flag] }) => flag !== 'from')
      throwProblems([
        ...flagProblems(command),
        ...issues.map(({ path: [flag], message }) => `--${kebab(String(flag))}: ${message}`),
        ...(await problemsOf(() => raw.from && readMeasuredRuns(raw.from))),
      ])
      const { workers, ...flags } = parsed.data!
      const predictions: Prediction[] = []
      for (const count of workers) predictions.push(await predictThroughput(scenario(flags, count)))
      standardOutput.print(json ? `${JSON.stringify(predictions)}\n` : describe(predictions))
    })
}

function scenario(flags: Omit<z.output<typeof flagsSchema>, 'workers'>, workers: number): ClusterScenario {
  const measured = measuredCluster(readMeasuredRuns(flags.from), workers, flags.cores ?? workers)
  const shardSize = flags.shardSize ?? measured.shardSize
  const batchSize = flags.batchSize ?? measured.shards * measured.shardSize
  if (batchSize % shardSize !== 0) {
    throw new ConvoyError('usage', `--batch-size ${batchSize} is no multiple of --shard-size ${shardSize}`)
  }
  const shardMs = flags.shardMs ?? measured.shardMs * (shardSize / measured.shardSize)
  return {
    ...{ ...measured, shards: batchSize / shardSize, shardSize, shardMs },
    ...{ jitter: flags.jitter, bandwidth: flags.bandwidth, latencyMs: flags.latency, steps: flags.steps },
    ...{ failuresPerWorkerHour: flags.failures, restartMs: flags.restart * 1000, seed: flags.seed },
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

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
