import type { Json } from '../launch.js'
import { Launch } from '../launch.js'
import { FaultProxy } from './fault-proxy.js'

const LOOPBACK = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']
/** So long a worker looks for its coordinator: longer than any fault. */
const PATIENCE_SECONDS = 120

export interface FleetOptions {
  /** Flags of `convoy coordinator` that decide the weights. */
  readonly run: readonly string[]
  readonly environment?: NodeJS.ProcessEnv
  /** Of the faults that need chance. */
  readonly seed?: number
}

/** A worker process with a name of its own, and its link to the coordinator. It may be started again after it died. */
export class FleetWorker {
  readonly name: string
  readonly proxy: FaultProxy
  readonly #flags: readonly string[]
  readonly #environment: NodeJS.ProcessEnv
  launch: Launch

  constructor(name: string, proxy: FaultProxy, flags: readonly string[], environment: NodeJS.ProcessEnv) {
    this.name = name
    this.proxy = proxy
    this.#flags = flags
    this.#environment = environment
    this.launch = this.spawn()
  }

  /** Another process of the same name, beside the one that may still live. */
  spawn(): Launch {
    const flags = ['--join', this.proxy.address, '--name', this.name, '--patience', `${PATIENCE_SECONDS}`]
    return new Launch(['worker', ...flags, ...this.#flags], this.#environment)
  }

  /** As a supervisor would. */
  restart(): void {
    this.launch = this.spawn()
  }

  get hasEnded(): boolean {
    const { exitCode, signalCode } = this.launch.child
    return exitCode !== null || signalCode !== null
  }

  /** SIGSTOP: the process stands still, its connections stay open. */
  freeze(): void {
    this.launch.child.kill('SIGSTOP')
  }

  thaw(): void {
    this.launch.child.kill('SIGCONT')
  }
}

/** A real coordinator and real workers, each behind a bad network of its own. */
export class Fleet {
  readonly coordinator: Launch
  readonly workers = new Map<string, FleetWorker>()
  readonly #options: FleetOptions

  constructor(options: FleetOptions) {
    this.#options = options
    this.coordinator = new Launch(['coordinator', ...options.run, ...LOOPBACK, '--json'], options.environment, true)
  }

  /** Starts a worker once the coordinator listens. @param flags of `convoy worker` */
  async add(name: string, ...flags: string[]): Promise<FleetWorker> {
    const { address } = await this.coordinator.announcement()
    const proxy = await FaultProxy.start(address, (this.#options.seed ?? 1) + this.workers.size)
    const worker = new FleetWorker(name, proxy, flags, this.#options.environment ?? {})
    this.workers.set(name, worker)
    return worker
  }

  /** Waits until so many more steps are done. @returns the steps done then */
  async moreSteps(count: number): Promise<number> {
    const done = await this.#stepsDone()
    const line = await this.coordinator.untilMetrics(
      ({ kind, step }) => kind === 'step' && Number(step) >= done + count,
    )
    return Number(line['step'])
  }

  /** Waits until the coordinator says that this worker takes part. @param afterMs since 1970 */
  async joined(name: string, afterMs = 0): Promise<Json> {
    return this.#news('worker-joined', name, afterMs)
  }

  /** Waits until the coordinator gives this worker up. @param afterMs since 1970 @returns milliseconds since then */
  async leftAfterMs(name: string, afterMs: number): Promise<number> {
    const line = await this.#news('worker-left', name, afterMs)
    return Number(line['time']) * 1000 - afterMs
  }

  /** Ends every process and every proxy that is still there. */
  close(): void {
    for (const { proxy, launch } of this.workers.values()) {
      launch.kill()
      proxy.close()
    }
    this.coordinator.kill()
    this.coordinator.remove()
  }

  async #news(wanted: string, name: string, afterMs: number): Promise<Json> {
    return this.coordinator.untilMetrics(
      ({ kind, worker, time }) =>
        kind === wanted && (worker as { name: string }).name === name && Number(time) * 1000 >= afterMs,
    )
  }

  async #stepsDone(): Promise<number> {
    const steps = (await this.coordinator.metrics()).filter(({ kind }) => kind === 'step')
    return Number(steps.at(-1)?.['step'] ?? 0)
  }
}
