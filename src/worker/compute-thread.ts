import { Worker as Thread, SHARE_ENV } from 'node:worker_threads'
import type { DeviceDescription } from '../engine/engine.js'
import type { DeviceChoice } from '../engine/runtime/device-choice.js'
import { ConvoyError } from '../shared/errors.js'
import type { FromCompute, ToCompute } from './compute-messages.js'

type Listener = (message: FromCompute) => void

/**
 * The thread that computes, seen from the thread that talks. TensorFlow never runs on the latter, so heartbeats and
 * keepalive answer during a long step.
 */
export class ComputeThread {
  readonly #thread: Thread
  #listener: Listener = () => undefined
  #reject: (error: Error) => void = () => undefined
  /** Rejects when the thread ends before {@link close}. */
  readonly broken: Promise<never>

  private constructor(device: DeviceChoice) {
    // SHARE_ENV: TensorFlow reads the real environment, which a thread's own copy would hide.
    this.#thread = new Thread(new URL('./compute-thread-entry.js', import.meta.url), {
      env: SHARE_ENV,
      workerData: device,
      name: 'compute',
    })
    this.broken = new Promise((_resolve, reject) => {
      this.#reject = reject
      this.#thread.once('error', (error) => {
        reject(ConvoyError.from(error))
      })
      this.#thread.once('exit', (status) => {
        reject(new ConvoyError('internal', `The compute thread ended by itself with status ${status}.`))
      })
    })
    // Whoever waits sees the rejection; until then it must not end the process.
    this.broken.catch(() => undefined)
    this.#thread.on('message', (message: FromCompute) => {
      this.#listener(message)
    })
  }

  /** Starts the thread and loads TensorFlow. @throws ConvoyError when TensorFlow cannot be loaded */
  static async start(choice: DeviceChoice): Promise<{ thread: ComputeThread; device: DeviceDescription }> {
    const thread = new ComputeThread(choice)
    const { device } = await thread.#next('device')
    return { thread, device }
  }

  /**
   * Opens the data set and builds the engine.
   * @returns whether shared files can be used
   * @throws ConvoyError('data') when the data set is not in this machine's cache */
  async prepare(message: Omit<Extract<ToCompute, { kind: 'prepare' }>, 'kind'>): Promise<{ shared: boolean }> {
    const prepared = this.#next('prepared')
    this.send({ kind: 'prepare', ...message })
    return prepared
  }

  send(message: ToCompute): void {
    this.#thread.postMessage(message, message.kind === 'weights' ? [message.weights.buffer] : [])
  }

  /** One listener at a time: the current session's. */
  onMessage(listener: Listener): void {
    this.#listener = listener
  }

  async close(): Promise<void> {
    this.#thread.removeAllListeners('exit')
    await this.#thread.terminate()
    this.#reject(new ConvoyError('interrupted', 'The compute thread was closed.'))
  }

  #next<Kind extends FromCompute['kind']>(kind: Kind): Promise<Extract<FromCompute, { kind: Kind }>> {
    const message = new Promise<Extract<FromCompute, { kind: Kind }>>((resolve) => {
      this.#listener = (candidate) => {
        if (candidate.kind === kind) resolve(candidate as Extract<FromCompute, { kind: Kind }>)
      }
    })
    return Promise.race([message, this.broken])
  }
}
