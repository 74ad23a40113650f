import * as grpc from '@grpc/grpc-js'
import { memoryShortage } from '../model/memory-need.js'
import { gradientLength } from '../model/parameter-layout.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import type { LogLevel } from '../shared/log/log-levels.js'
import type { Log } from '../shared/log/log.js'
import type { Listener } from '../shared/protocol/listen.js'
import { listen } from '../shared/protocol/listen.js'
import type { WorkerStatus } from '../shared/protocol/messages.js'
import { OpenConnections } from '../shared/protocol/open-connections.js'
import { Admin, Control, Data, SERVER_OPTIONS } from '../shared/protocol/services.js'
import { SharedFiles } from '../shared/shared-files.js'
import type { PhaseReport } from '../metrics/phases.js'
import type { ListenAddresses } from './address-problems.js'
import { addressProblems } from './address-problems.js'
import { DEFAULT_LIMITS } from '../scheduler/limits.js'
import type { RunState } from '../scheduler/run-states.js'
import { isOver } from '../scheduler/run-states.js'
import { SliceThreads } from '../training/slices/slice-threads.js'
import { PoolGradientSource } from './pool-gradient-source.js'
import type { PlannedRun } from './plan-run.js'
import type { RunObserver } from '../training/run-events.js'
import { RunProgress } from './run-progress.js'
import { runNameOf } from '../reporting/run-identity.js'
import { adminService } from './services/admin-service.js'
import { controlService } from './services/control-service.js'
import { addHealthAndReflection } from './services/health-service.js'
import { dataService } from './services/data-service.js'
import type { CallObserver } from './services/time-calls.js'
import { timeCalls } from './services/time-calls.js'
import type { TrafficCount } from './traffic.js'
import { Traffic } from './traffic.js'
import type { TrainerHooks, TrainingOutcome } from '../training/trainer.js'
import { Trainer } from '../training/trainer.js'
import { WeightsStore } from './weights-store.js'
import type { WorkerStatusView } from './membership.js'
import { WorkerLogs } from './worker-logs.js'
import { WorkerPool } from './worker-pool.js'

export interface CoordinatorOptions extends ListenAddresses {
  readonly run: PlannedRun
  readonly maxWorkers: number
  readonly allowMixedDevices: boolean
  /** One lease in so many is computed by two workers and compared; 0: none. */
  readonly auditEvery: number
  readonly observer: RunObserver
  /** Told of every gRPC call that is over. */
  readonly onCall?: CallObserver
  readonly log: Log
  /** The least urgent level of what workers log that is wanted here. */
  readonly workerLogLevel: LogLevel
  readonly signal: AbortSignal
  readonly hooks?: Pick<TrainerHooks, 'onEpoch' | 'beforeStep'>
  readonly runDirectory: string
  /** See WorkerPoolOptions. */
  readonly startingWorkers?: () => number
}

/** A coordinator that listens; nothing is computed before {@link Coordinator.train}. */
export interface Coordinator {
  /** Where workers join. */
  readonly address: string
  readonly adminAddress: string
  readonly description: RunDescription
  /** Where the data set came from, for people; workers do not learn it. */
  readonly datasetFrom: string
  /** Workers that can compute or do so now. */
  readonly workerCount: number
  state(): RunState
  /** Why no worker shall come any more, in one line; undefined while workers are accepted. */
  readonly notReady: () => string | undefined
  /** Steps applied. */
  step(): number
  /** As they are now, float32 `[layout.weightCount]`; empty before the run begins. The run goes on in this memory: copy it. */
  weights(): Float32Array
  workers(): WorkerStatusView[]
  /** Phases of all workers that ever took part, added up. */
  workerPhases(): PhaseReport[]
  traffic(): TrafficCount[]
  /** The whole run. Workers may come and go from now on. */
  train(saving?: Pick<TrainerHooks, 'onValidated' | 'onBrokenOff'>): Promise<TrainingOutcome>
  /** Tells workers to go home and closes every listener. */
  close(): Promise<void>
}

const TICK_MS = 250
/** Connections that are no worker's yet: all workers of a run may come at the same time. */
const MAX_JOINING = 64
/** Connections to the admin port without a call. */
const MAX_ASKING = 16
/** Time for `finish` to reach the workers before their connections are cut. */
const GOODBYE_MS = 2_000

/**
 * Begins to listen.
 * @throws ConvoyError('usage') for addresses that cannot be bound or would expose the run
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { signal, runDirectory, log } = options
  const { description, split, datasetFrom, warnings, workerBytes } = options.run
  const problems = addressProblems(options)
  if (problems.length > 0) throw new ConvoyError('usage', problems)
  const { info, warn } = log.module('run')

  const now = (): number => performance.now()
  const stop = new AbortController()
  const progress = new RunProgress()
  const observer: RunObserver = (event) => {
    // A Ctrl-C on a terminal ends the workers beside it too, and nothing waits for others.
    if (event.kind === 'waiting' && signal.aborted) return
    progress.observe(event)
    options.observer(event)
  }
  const failure = new AbortController()
  const sliceThreads = new SliceThreads({
    threads: SliceThreads.threadsFor(gradientLength(description.model.layout)),
    onFailure: (error) => {
      failure.abort(error)
    },
  })
  const shared = SharedFiles.create((why) => {
    info(`Vectors travel over the network, to workers of this machine too: ${why}.`)
  })
  const traffic = new Traffic()
  let isNotSharedSaid = false
  const weightsStore = new WeightsStore(
    shared?.files,
    (bytes) => {
      traffic.add('weights', 'sent', 'memory', bytes)
    },
    (why) => {
      if (!isNotSharedSaid) warn(`Weights travel over the network, to workers of this machine too: ${why}`)
      isNotSharedSaid = true
    },
  )
  const wake = new WakeTimer(now, () => {
    pool.tick()
  })
  const workerLogs = new WorkerLogs(log, options.workerLogLevel, Date.now)
  const pool: WorkerPool = new WorkerPool({
    observer,
    log: log.module('scheduler'),
    onLogs: (worker, logs) => {
      workerLogs.receive(worker, logs)
    },
    limits: DEFAULT_LIMITS,
    auditEvery: options.auditEvery,
    maxWorkers: options.maxWorkers,
    allowMixedDevices: options.allowMixedDevices,
    starting: options.startingWorkers ?? (() => 0),
    sliceThreads,
    now,
    wakeAt: (ms) => {
      wake.set(ms)
    },
  })

  const { onCall } = options
  const connections = {
    workers: new OpenConnections({ maxUnused: MAX_JOINING, isInUse: (peer) => pool.isCaller(peer), report: warn }),
    admin: new OpenConnections({ maxUnused: MAX_ASKING, report: warn }),
  }
  const newServer = ({ interceptor }: OpenConnections): grpc.Server =>
    new grpc.Server({ ...SERVER_OPTIONS, interceptors: [interceptor, ...(onCall ? [timeCalls(onCall)] : [])] })
  const server = newServer(connections.workers)
  server.addService(
    traffic.counted(Control.service),
    controlService(pool, {
      run: JSON.stringify(description),
      heartbeatMs: DEFAULT_LIMITS.heartbeatMs,
      logLevel: workerLogs.level,
      runName: runNameOf(runDirectory),
      ...(shared && { sharedFiles: shared.offer }),
    }),
  )
  server.addService(
    traffic.counted(Data.service),
    dataService(pool, weightsStore, description.dataset.fingerprint, shared?.files, (bytes) => {
      traffic.add('results', 'received', 'memory', bytes)
    }),
  )
  const admin = newServer(connections.admin)
  admin.addService(
    Admin.service,
    adminService({
      status: () => ({ ...progress.summary, runDirectory, workers: pool.statuses().map(toWorkerStatus) }),
      stop: () => {
        stop.abort()
        info(
          pool.workerCount > 0
            ? 'Asked to stop: the run ends after this step, with evaluation.'
            : 'Asked to stop: the run ends when workers have computed this step and the evaluation. SIGTERM ends it now.',
        )
      },
    }),
  )
  const notReady = (): string | undefined => {
    const { state } = progress.summary
    if (isOver(state)) return `the run is over: ${state}`
    return stop.signal.aborted || signal.aborted ? 'the run is ending: it was asked to stop' : undefined
  }
  const updateHealth = addHealthAndReflection(admin, () => ({
    accepts: notReady() === undefined,
    computes: pool.workerCount > 0,
  }))
  const listeners: Listener[] = []
  try {
    listeners.push(await listen(server, options.listen, '--listen', connections.workers))
    listeners.push(await listen(admin, options.adminListen, '--admin-listen', connections.admin))
  } catch (error) {
    for (const listener of listeners) listener.close()
    shared?.files.close()
    await sliceThreads.close()
    throw error
  }
  const ticker = setInterval(() => {
    pool.tick()
    updateHealth()
  }, TICK_MS)

  return {
    address: listeners[0]!.address,
    adminAddress: listeners[1]!.address,
    description,
    datasetFrom,
    get workerCount() {
      return pool.workerCount
    },
    state: () => progress.summary.state,
    notReady,
    step: () => progress.summary.step,
    weights: () => weightsStore.weights,
    workers: () => pool.statuses(),
    workerPhases: () => pool.workerPhases(),
    traffic: () => traffic.counts(),
    train: async (saving) => {
      for (const warning of warnings) warn(warning)
      const workers = options.startingWorkers?.() ?? 0
      const shortage = workers > 0 ? memoryShortage(workers, workerBytes) : undefined
      if (shortage) warn(`${shortage.found}: workers will be killed. To run, ${shortage.remedy}.`)
      const splitSizes = { train: split.train.length, validation: split.validation.length, test: split.test.length }
      const trainer = new Trainer({
        description,
        splitSizes,
        gradients: new PoolGradientSource(pool, weightsStore, description, split),
        sliceThreads,
        datasetFrom,
        observer,
        signal: AbortSignal.any([signal, failure.signal]),
        stopSignal: stop.signal,
        hooks: { ...options.hooks, ...saving },
        soon: setImmediate,
        now,
      })
      return trainer.train().catch((error: unknown) => {
        progress.brokeOff(ConvoyError.from(error).code === 'interrupted' ? 'stopped' : 'failed')
        throw error
      })
    },
    close: async () => {
      pool.finish('the run is over')
      await waitUntil(() => pool.statuses().length === 0, GOODBYE_MS)
      clearInterval(ticker)
      wake.set(Infinity)
      for (const listener of listeners) listener.close()
      shared?.files.close()
      await sliceThreads.close()
    },
  }
}

function toWorkerStatus({
  id,
  name,
  state,
  device,
  shardsDone,
  residentBytes,
  tensors,
  silentMs,
  score,
}: WorkerStatusView): WorkerStatus {
  return {
    worker: id,
    name,
    state,
    device: device.name,
    shardsDone,
    residentBytes,
    tensors,
    lastHeardSeconds: silentMs / 1000,
    timesSlower: score?.toFastest ?? 0,
  }
}

/** One timer that is set anew all the time. */
class WakeTimer {
  readonly #now: () => number
  readonly #wake: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(now: () => number, wake: () => void) {
    this.#now = now
    this.#wake = wake
  }

  /** @param atMs Infinity: not at all */
  set(atMs: number): void {
    clearTimeout(this.#timer)
    if (atMs === Infinity) return
    this.#timer = setTimeout(this.#wake, Math.max(1, Math.ceil(atMs - this.#now())))
  }
}

async function waitUntil(condition: () => boolean, atMostMs: number): Promise<void> {
  const deadline = performance.now() + atMostMs
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
}
