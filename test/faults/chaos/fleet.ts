import { setTimeout as delay } from 'node:timers/promises'
import type { Json } from '../../support/launch.js'
import { Launch } from '../../support/launch.js'
import { FaultProxy } from '../../../src/bench/link/fault-proxy.js'
import type { KernelLink } from './kernel-link.js'

const LOOPBACK = ['--admin-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']

export interface FleetOptions {
  /** Flags of `convoy coordinator` that determine the weights. */
  readonly run: readonly string[]
  readonly environment?: NodeJS.ProcessEnv
  /** Seed of faults with random choices. */
  readonly seed?: number
  /** Address that workers join; loopback by default. */
  readonly host?: string
  /** The binary that runs the coordinator. */
  readonly node?: string
}

interface FleetWorkerOptions {
  readonly name: string
  /** `host:port` that it joins. */
  readonly join: string
  readonly flags: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  /** Its link to the coordinator, when that is a bad network in user space. */
  readonly proxy?: FaultProxy
  /** The binary that runs it. */
  readonly node?: string
}

/** A worker process with a name of its own, and its link to the coordinator. It can be restarted after it died. */
export class FleetWorker {
  readonly #options: FleetWorkerOptions
  launch: Launch

  constructor(options: FleetWorkerOptions) {
    this.#options = options
    this.launch = this.spawn()
  }

  /** @throws Error when its link is not a proxy */
  get proxy(): FaultProxy {
    const { name, proxy } = this.#options
    if (proxy === undefined) throw new Error(`worker ${name} has no proxy; start it with Fleet.add`)
    return proxy
  }

  /** Starts another process of the same name, beside one that may still live. */
  spawn(): Launch {
    const { name, join, flags, environment, node } = this.#options
    const named = ['--join', join, '--name', name]
    return new Launch(['worker', ...named, ...flags], environment, false, node)
  }

  /** Ends its process and its proxy. */
  close(): void {
    this.launch.kill()
    this.#options.proxy?.close()
  }

  /** Restarts it as a supervisor would. */
  restart(): void {
    this.launch = this.spawn()
  }

  get hasEnded(): boolean {
    const { exitCode, signalCode } = this.launch.child
    return exitCode !== null || signalCode !== null
  }

  /** SIGSTOP: the process stops, its connections stay open. */
  freeze(): void {
    this.launch.child.kill('SIGSTOP')
  }

  thaw(): void {
    this.launch.child.kill('SIGCONT')
  }
}

/** What a coordinator that was killed left to the next one. */
export interface Resumed {
  /** Steps of metrics.jsonl. */
  readonly done: number
  /** The step that the next coordinator goes on from. */
  readonly step: number
}

/** A real coordinator and real workers, each behind a bad network of its own. The coordinator can be killed, and resumed by another one. */
export class Fleet {
  readonly workers = new Map<string, FleetWorker>()
  readonly #options: FleetOptions
  #coordinator: Launch
  /** Settles when a coordinator that was killed has a successor. */
  #succession: Promise<unknown> | undefined

  constructor(options: FleetOptions) {
    this.#options = options
    this.#coordinator = this.#start(options.run, `${options.host ?? '127.0.0.1'}:0`)
  }

  /** The one that lives, or the last one. */
  get coordinator(): Launch {
    return this.#coordinator
  }

  /**
   * Kills the coordinator and resumes its run at the same address, where the workers look for it.
   * @param againAfterMs kills the next coordinator too, this long after its start, and resumes once more
   * @returns when the last one goes on
   */
  async killCoordinator(againAfterMs?: number): Promise<Resumed> {
    const succession = this.#succeed(againAfterMs)
    this.#succession = succession.catch(() => undefined)
    const { done, killedMs } = await succession
    const line = await this.coordinator.untilMetrics(
      ({ kind, time }) => kind === 'resumed' && Number(time) * 1000 >= killedMs,
    )
    return { done, step: Number(line['step']) }
  }

  /** Settles when the coordinator has ended, and was not killed by {@link killCoordinator}. */
  async ended(): Promise<void> {
    for (let last: Launch | undefined; last !== this.#coordinator;) {
      last = this.#coordinator
      await last.status()
      await this.#succession
    }
  }

  /** Starts a worker once the coordinator listens. @param flags of `convoy worker` */
  async add(name: string, ...flags: string[]): Promise<FleetWorker> {
    const { address } = await this.coordinator.announcement()
    const proxy = await FaultProxy.start(address, (this.#options.seed ?? 1) + this.workers.size)
    return this.#add({ name, join: proxy.address, flags, environment: this.#options.environment ?? {}, proxy })
  }

  /** Starts a worker at the other end of a link in the kernel. @param flags of `convoy worker` */
  async addBeyond({ node }: KernelLink, name: string, ...flags: string[]): Promise<FleetWorker> {
    return this.addIn(node, name, ...flags)
  }

  /** Starts a worker with another binary. @param flags of `convoy worker` */
  async addIn(node: string, name: string, ...flags: string[]): Promise<FleetWorker> {
    const { address } = await this.coordinator.announcement()
    return this.#add({ name, join: address, flags, environment: this.#options.environment ?? {}, node })
  }

  /** Waits for this many more steps. @returns the total of steps then */
  async moreSteps(count: number): Promise<number> {
    const done = await this.#stepsDone()
    const line = await this.coordinator.untilMetrics(
      ({ kind, step }) => kind === 'step' && Number(step) >= done + count,
    )
    return Number(line['step'])
  }

  /** Waits until the coordinator reports that this worker takes part. @param afterMs since 1970 */
  async joined(name: string, afterMs = 0): Promise<Json> {
    return this.#news('worker-joined', name, afterMs)
  }

  /** Waits until the coordinator drops this worker. @param afterMs since 1970 @returns milliseconds since then */
  async leftAfterMs(name: string, afterMs: number): Promise<number> {
    const line = await this.#news('worker-left', name, afterMs)
    return Number(line['time']) * 1000 - afterMs
  }

  /** Ends every remaining process and proxy. */
  close(): void {
    for (const worker of this.workers.values()) worker.close()
    this.coordinator.kill()
    this.coordinator.remove()
  }

  #add(options: FleetWorkerOptions): FleetWorker {
    const worker = new FleetWorker(options)
    this.workers.set(options.name, worker)
    return worker
  }

  async #news(wanted: string, name: string, afterMs: number): Promise<Json> {
    return this.coordinator.untilMetrics(
      ({ kind, worker, time }) =>
        kind === wanted && (worker as { name: string }).name === name && Number(time) * 1000 >= afterMs,
    )
  }

  #start(flags: readonly string[], listen: string, runsDirectory?: string): Launch {
    const { host, environment, node } = this.#options
    const where = ['--listen', listen, ...(host === undefined ? [] : ['--insecure']), ...LOOPBACK]
    return new Launch(['coordinator', ...flags, ...where, '--json'], environment, true, node, runsDirectory)
  }

  /** @returns steps that were done at the last kill, and when that was, since 1970 */
  async #succeed(againAfterMs: number | undefined): Promise<{ readonly done: number; readonly killedMs: number }> {
    const { runsDirectory } = this.#coordinator
    const { address, runDirectory } = await this.#coordinator.announcement()
    let [done, killedMs] = [0, 0]
    for (const afterMs of [0, ...(againAfterMs === undefined ? [] : [againAfterMs])]) {
      await delay(afterMs)
      this.#coordinator.kill()
      await this.#coordinator.status()
      killedMs = Date.now()
      done = await this.#stepsDone()
      this.#coordinator = this.#start(['--resume', runDirectory], address, runsDirectory)
    }
    return { done, killedMs }
  }

  async #stepsDone(): Promise<number> {
    const steps = (await this.coordinator.metrics()).filter(({ kind }) => kind === 'step')
    return Number(steps.at(-1)?.['step'] ?? 0)
  }
}
