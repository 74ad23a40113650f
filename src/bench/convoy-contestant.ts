import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { LocalWorkers } from '../launch/local-workers.js'
import type { PlannedRun } from '../coordinator/plan-run.js'
import { planRun } from '../coordinator/plan-run.js'
import type { DurabilityOptions } from '../durability/durable-run-options.js'
import { DurableRun } from '../durability/durable-run.js'
import { version } from '../shared/version.js'
import type { RunObserver } from '../training/run-events.js'
import type { CoordinatorOptions } from '../coordinator/coordinator.js'
import { Coordinator } from '../coordinator/coordinator.js'
import type { DeviceChoice } from '../tensorflow/runtime/device-choice.js'
import { chooseGpus } from '../tensorflow/runtime/device-choice.js'
import { RECIPES } from '../model/config/recipes.js'
import { runConfigSchema } from '../model/config/run-config.js'
import { ConvoyError } from '../shared/errors.js'
import { parseLogLevels } from '../shared/log/log-levels.js'
import { Log } from '../shared/log/log.js'
import { readableLine } from '../shared/log/readable-line.js'
import { standardError } from '../shared/terminal.js'
import { counted } from '../shared/units.js'
import type { Contestant, Task } from './contestant.js'
import { BATCH_SIZE } from './contestant.js'
import { StepGate } from './step-gate.js'

/** Half the batch, as each of two DDP processes has: the same work for each, and the same batch norm. */
const SHARD_SIZE = 64

export interface ConvoyContestant extends Contestant {
  /** Process ids of its workers. */
  readonly pids: readonly number[]
}

/** Reports that receive the run's events. */
export interface Reports extends Pick<CoordinatorOptions, 'observer' | 'hooks' | 'onCall'> {
  /** Called once the coordinator listens. */
  watch(coordinator: Coordinator): void
}

/**
 * The product itself: a coordinator in this process and worker processes, as `convoy train` starts them, all costs included
 * (sampling, augmentation, gRPC, reduction, optimizer). Between rounds no lease is given.
 * @param reports default: none
 * @param durability default: neither checkpoints nor journal
 */
export async function startConvoy(
  task: Task,
  workers: number,
  device: DeviceChoice,
  shardSize = SHARD_SIZE,
  reports?: Reports,
  durability?: DurabilityOptions,
): Promise<ConvoyContestant> {
  const recipe = (RECIPES[task.network] ?? RECIPES['resnet20'])!.config
  const config = runConfigSchema.parse({
    ...recipe,
    network: { ...recipe.network, name: task.network },
    augmentation: { ...recipe.augmentation, enabled: task.augmentation },
    precision: task.precision,
    batchSize: BATCH_SIZE,
    shardSize,
    epochs: 100_000,
  })
  const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-bench-'))
  const gate = new StepGate()
  const abort = new AbortController()
  let parameters = 0
  const observer: RunObserver = (event) => {
    if (event.kind === 'started') parameters = event.parameterCount
    reports?.observer(event)
    if (event.kind === 'step') gate.stepped()
  }
  const log = new Log({
    levels: parseLogLevels('warn'),
    sinks: [(record) => standardError.printLine(readableLine(record))],
    now: Date.now,
  })
  const run = await planRun(config, undefined, log.module('run').info)
  const coordinator = await Coordinator.start({
    ...reports,
    run,
    listen: '127.0.0.1:0',
    adminListen: '127.0.0.1:0',
    insecure: false,
    maxWorkers: workers,
    allowMixedDevices: false,
    auditEvery: 0,
    observer,
    log,
    workerLogLevel: 'warn',
    signal: abort.signal,
    hooks: { ...reports?.hooks, beforeStep: async () => gate.open(abort.signal) },
    runDirectory: directory,
  })
  reports?.watch(coordinator)
  const gpus = chooseGpus(device)
  const processes = new LocalWorkers({
    count: workers,
    address: coordinator.address,
    logDirectory: directory,
    device,
    environment: (index) =>
      gpus.length > 0 ? { ...process.env, CUDA_VISIBLE_DEVICES: gpus[index % gpus.length] } : process.env,
    log: log.module('process'),
    logLevel: 'info',
    onNoneLeft: (why) => {
      abort.abort(new ConvoyError('environment', `No worker is left: ${why}`))
    },
  })
  const durable = durability && durableRun(durability, directory, run, coordinator)
  const hooks = durable && {
    onBegin: durable.begin,
    onReduced: durable.onReduced,
    onStepDone: durable.onStepDone,
  }
  const ended = coordinator.train(hooks).catch((error: unknown) => {
    gate.fail(ConvoyError.from(error))
  })
  return {
    name: `Convoy, ${counted(workers, 'worker')}`,
    maker: 'Convoy',
    get parameters() {
      return parameters
    },
    pids: processes.pids,
    steps: async (count) => gate.take(count),
    close: async () => {
      abort.abort(new ConvoyError('interrupted', 'the benchmark is over'))
      await ended
      await Promise.all([coordinator.close(), processes.close(), durable?.close()])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function durableRun(
  durability: DurabilityOptions,
  runDirectory: string,
  { description, split }: PlannedRun,
  coordinator: Coordinator,
): DurableRun {
  const fail = (what: string, { message }: Error): never => {
    throw new ConvoyError('environment', `The ${what} cannot be written: ${message}`)
  }
  return new DurableRun({
    ...{
      ...durability,
      runDirectory,
      description,
      trainSamples: split.train.length,
      ancestor: null,
      version: version(),
    },
    run: { directory: 'bench', name: 'bench', recipe: description.config.network.name },
    deviceFingerprint: () => coordinator.deviceFingerprint ?? null,
    now: () => performance.now(),
    onRecorded: async () => Promise.resolve(),
    observer: {
      onCheckpoint: () => undefined,
      onCheckpointFailed: (_step, error) => fail('checkpoint', error),
      onPruneFailed: (error) => fail('directory of checkpoints', error),
      onJournal: () => undefined,
      onJournalFailed: (error) => fail('journal', error),
    },
  })
}
