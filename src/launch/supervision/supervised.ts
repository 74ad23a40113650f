import type { LogRecord } from '../../shared/log/log.js'
import { ConvoyError } from '../../shared/errors.js'
import type { LaunchOptions, OwnWorkers } from '../launcher.js'
import type { LauncherName } from '../launchers.js'
import type { ToCoordinator, ToSupervisor } from './messages.js'

type Launched = Extract<ToCoordinator, { kind: 'launched' }>

/** What a coordinator and its supervisor know of each other, in the coordinator's process. */
export class Supervised {
  /** How many coordinators of this run died before. */
  readonly restarts: number
  /** Records that the supervisor wrote, and showed, while there was no coordinator. */
  readonly records: readonly LogRecord[]
  /** Called with the signals of the supervisor, and how many of a kind it received. */
  onSignal: (signal: NodeJS.Signals, count: number) => void = (signal) => {
    process.kill(process.pid, signal)
  }
  /** Called when the supervisor is gone. */
  onOrphaned: () => void = () => process.exit(1)
  #place: LaunchOptions | undefined
  #starting = 0
  #onLaunched: (launched: Launched) => void = () => undefined
  #onClosed: () => void = () => undefined

  private constructor(hello: Extract<ToCoordinator, { kind: 'hello' }>) {
    this.restarts = hello.restarts
    this.records = hello.records
    process.on('message', (message) => {
      this.#receive(message as ToCoordinator)
    })
    process.on('disconnect', () => {
      this.onOrphaned()
    })
    // The run keeps this process alive, not the connection.
    process.channel?.unref()
  }

  /** Waits for the supervisor's first message. @throws ConvoyError('usage') when there is no supervisor */
  static async connect(): Promise<Supervised> {
    if (!process.connected)
      throw new ConvoyError('usage', '--supervised is for processes that `convoy train` starts; leave it out.')
    return new Promise((resolve) => {
      process.once('message', (message) => {
        resolve(new Supervised(message as Extract<ToCoordinator, { kind: 'hello' }>))
      })
    })
  }

  /** Has the supervisor start the workers, or takes over those of the coordinator before. @throws the launcher's ConvoyError */
  async launch(launcher: LauncherName, place: LaunchOptions): Promise<OwnWorkers> {
    const { address, runDirectory, count, device, logLevel } = place
    this.#place = place
    this.#starting = count ?? 1
    const launched = new Promise<Launched>((resolve) => {
      this.#onLaunched = resolve
    })
    this.#send({ kind: 'launch', request: { launcher, address, runDirectory, count, device, logLevel } })
    const { error } = await launched
    if (error) throw new ConvoyError(error.code, error.message)
    return {
      starting: () => this.#starting,
      close: async () => this.#close(),
    }
  }

  /** Tells the supervisor that the run ends for a reason of its own. */
  readonly ending = (): void => {
    this.#send({ kind: 'ending' })
  }

  async #close(): Promise<void> {
    if (!process.connected) return
    await new Promise<void>((resolve) => {
      this.#onClosed = resolve
      process.once('disconnect', resolve)
      process.channel?.ref()
      this.#send({ kind: 'close' })
    })
    process.channel?.unref()
  }

  #receive(message: ToCoordinator): void {
    switch (message.kind) {
      case 'signal':
        return this.onSignal(message.signal, message.count)
      case 'log':
        return this.#log(message.record)
      case 'launched':
        return this.#onLaunched(message)
      case 'starting':
        this.#starting = message.count
        return
      case 'none-left':
        return this.#place?.onNoneLeft(message.why)
      case 'closed':
        return this.#onClosed()
      case 'hello':
    }
  }

  /** With the levels of this process. */
  #log({ module, level, message, fields }: LogRecord): void {
    this.#place?.log.module(module)[level](message, fields)
  }

  #send(message: ToSupervisor): void {
    if (process.connected) process.send!(message, () => undefined)
  }
}
