import { randomUUID } from 'node:crypto'
import os from 'node:os'
import { sayGoodbye } from '../coordinator/say-goodbye.js'
import { VectorExchange } from '../coordinator/vector-exchange.js'
import { WakeTimer } from '../coordinator/wake-timer.js'
import { WorkerLogs } from '../coordinator/worker-logs.js'
import { WorkerPool } from '../coordinator/worker-pool.js'
import type { RunOffer } from '../coordinator/worker-server.js'
import { servedFingerprints, WorkerServer } from '../coordinator/worker-server.js'
import { longestResult } from '../model/longest-result.js'
import type { RunDescription } from '../model/run-description.js'
import { eventLog } from '../reporting/sinks/event-log.js'
import { ConvoyError } from '../shared/errors.js'
import type { Log, Logger } from '../shared/log/log.js'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import type { RunEvent } from '../training/run-events.js'
import { keepJoining } from '../worker/keep-joining.js'
import type { LogRelay } from '../worker/log-relay.js'
import { session } from '../worker/session.js'
import { RelayComputer } from './relay-computer.js'
import { RelayDoor } from './relay-door.js'
import { RELAY_LIMITS } from './relay-limits.js'

export interface RelayOptions {
  /** `host:port` of the coordinator, or of another relay. */
  readonly address: string
  /** `host:port` for workers; port 0 takes any free one. */
  readonly listen: string
  /** @default made from host name and process id */
  readonly name?: string
  readonly maxWorkers: number
  /** How long to keep trying to reach a coordinator that does not answer, or not any more. */
  readonly patienceMs: number
  readonly log: Log
  /** Log lines for the coordinator. */
  readonly lines: LogRelay
  /** First: leave when the lease in work is done. */
  readonly leaveSignal: AbortSignal
  /** Called with `host:port` when workers can ask to join. */
  readonly onListening: (address: string) => void
}

const TICK_MS = 250
/** A worker that asked to join and is not there after this time has changed its mind. */
const ABSENT_MS = 10_000

/**
 * Works for a coordinator as one worker, with the workers that join it, until the coordinator sends `finish`; joins again whenever the
 * connection breaks. Its workers are told to finish too.
 * @returns why it ended
 * @throws ConvoyError('usage') when the address cannot be bound; as {@link keepJoining}
 */
export async function runRelay(options: RelayOptions): Promise<string> {
  const relay = new Relay(options)
  try {
    return await relay.run()
  } finally {
    relay.close()
  }
}

class Relay {
  readonly #options: RelayOptions
  readonly #log: Logger
  readonly #logEvent: (event: RunEvent) => void
  readonly #incarnation = randomUUID()
  readonly #door: RelayDoor
  readonly #exchange: VectorExchange
  readonly #workerLogs: WorkerLogs
  readonly #wake = new WakeTimer(now, () => {
    this.#pool.tick()
  })
  readonly #pool: WorkerPool
  readonly #computer: RelayComputer
  readonly #server: WorkerServer
  /** Of what the workers may fetch: that of the run, as soon as it is known. */
  readonly #fingerprints: string[] = []
  #longestResult = 0
  /** The run that the relay joined last. */
  #offer: RunOffer | undefined
  #ticker: NodeJS.Timeout | undefined

  constructor(options: RelayOptions) {
    const { address, listen, log, maxWorkers } = options
    this.#options = options
    this.#log = log.module('worker')
    this.#logEvent = eventLog(log)
    this.#door = new RelayDoor(address)
    this.#exchange = new VectorExchange(this.#log)
    this.#workerLogs = new WorkerLogs(log, 'info', Date.now)
    const scheduler = log.module('scheduler')
    this.#pool = new WorkerPool({
      ...{ maxWorkers, limits: RELAY_LIMITS, auditEvery: 0, now },
      // The door lets in workers of one device.
      allowMixedDevices: true,
      observer: (event) => {
        this.#observe(event)
      },
      onEffect: ({ kind, ...details }) => {
        scheduler.debug(kind, details)
      },
      onLogs: (worker, logs) => {
        this.#workerLogs.receive(worker, logs)
      },
      wakeAt: (ms) => {
        this.#wake.set(ms)
      },
    })
    this.#computer = new RelayComputer(this.#pool, this.#exchange.weights, (description) => {
      this.#open(description)
    })
    this.#server = new WorkerServer({
      ...{ listen, pool: this.#pool, exchange: this.#exchange, fingerprints: this.#fingerprints, log: this.#log },
      longestResult: () => this.#longestResult,
      offer: async (request) => this.#door.offer(request),
    })
  }

  async run(): Promise<string> {
    await this.#server.listen()
    this.#ticker = setInterval(() => {
      this.#tick()
    }, TICK_MS)
    this.#options.onListening(this.#server.address)
    const reason = await this.#untilFinished()
    await sayGoodbye(this.#pool, reason)
    return reason
  }

  close(): void {
    clearInterval(this.#ticker)
    this.#wake.set(Infinity)
    this.#server.close()
    this.#exchange.close()
  }

  /** Takes part while there are workers. */
  async #untilFinished(): Promise<string> {
    const { patienceMs, leaveSignal } = this.#options
    const { info, warn } = this.#log
    for (;;) {
      const device = await this.#door.untilAsked(leaveSignal)
      if (device === undefined) return 'left'
      const join = async (): Promise<string> => this.#membership(device)
      const isBroken = (): boolean => this.#door.device !== device
      try {
        return await keepJoining({ join, isBroken, patienceMs, leaveSignal, warn })
      } catch (error) {
        if (!isBroken()) throw error
        info('The relay has no worker; it joins again with the next one.')
      }
    }
  }

  async #membership(device: DeviceDescription): Promise<string> {
    const { address, name = `relay-${os.hostname()}:${process.pid}`, log, lines, leaveSignal } = this.#options
    return session({
      ...{ address, name, incarnation: this.#incarnation, device, log, relay: lines, leaveSignal },
      computer: this.#computer,
      // A relay is for machines that the coordinator does not run on.
      sharedMemory: false,
      onJoined: ({ run, runName, logLevel }) => {
        if (this.#offer !== undefined && this.#offer.run !== run) this.#leaveRun()
        this.#offer = { run, runName, logLevel }
        // It left, or the workers were told to join again, while the answer was on its way.
        if (this.#door.device !== device) throw new ConvoyError('unavailable', 'The relay has no worker.')
      },
      onHeartbeat: () => undefined,
      onReady: () => {
        this.#log.info(`Joined ${address}.`)
      },
    })
  }

  /** The data set is there: workers may join. */
  #open(description: RunDescription): void {
    this.#fingerprints.splice(0, Infinity, ...servedFingerprints(description))
    this.#longestResult = longestResult(description.model)
    this.#door.open(this.#offer!)
  }

  /** The coordinator has another run: the workers join again, for that one. */
  #leaveRun(): void {
    this.#door.close()
    for (const { id } of this.#pool.workers()) this.#pool.connections.drop(id, 'the coordinator has another run now')
  }

  #observe(event: RunEvent): void {
    // Not a run: it needs no worker.
    if (event.kind === 'waiting') return
    this.#logEvent(event)
    if (event.kind === 'worker-joined') this.#computer.workerReady()
    else if (event.kind === 'worker-left' && this.#pool.workers().length === 0) this.#lastWorkerLeft()
  }

  /** Without workers the relay is no worker either. */
  #lastWorkerLeft(): void {
    this.#door.forgetDevice()
    this.#computer.break(new ConvoyError('unavailable', 'The relay has no worker.'))
  }

  #tick(): void {
    this.#pool.tick()
    this.#computer.report()
    const isAbsent = this.#door.device !== undefined && this.#door.silentMs > ABSENT_MS
    if (isAbsent && this.#pool.workers().length === 0) this.#lastWorkerLeft()
  }
}

function now(): number {
  return performance.now()
}
