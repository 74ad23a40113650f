import { Worker as Thread, SHARE_ENV } from 'node:worker_threads'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import type { DeviceChoice } from '../tensorflow/runtime/device-choice.js'
import { ConvoyError } from '../shared/errors.js'
import { MORE_HEAP } from '../shared/own-shortage.js'
import type { FromCompute, ToCompute } from './compute-messages.js'
import type { Computer } from './computer.js'
import { DEAF } from './computer.js'

/** The program of the thread: TensorFlow computes. */
const ENTRY = new URL('./compute-thread-entry.js', import.meta.url)

/**
 * The compute thread, as the main thread sees it. TensorFlow never runs on the main thread, so heartbeats and
 * keepalive answer during a long step.
 */
export class ComputeThread implements Computer {
  readonly isHere = true
  readonly #thread: Thread
  #listener = DEAF
  #isBroken = false
  /** Settles when no preparation is running. */
  #preparing: Promise<unknown> = Promise.resolve()
  #reject: (error: Error) => void = () => undefined
  /** Rejects when the thread ends. */
  readonly #ended: Promise<never>

  private constructor(device: DeviceChoice, entry: URL) {
    // SHARE_ENV: TensorFlow reads the real environment, which a thread's own copy would hide.
    this.#thread = new Thread(entry, { env: SHARE_ENV, workerData: device, name: 'compute' })
    this.#ended = new Promise((_resolve, reject) => {
      this.#reject = reject
      const broke = (error: Error): void => {
        this.#isBroken = true
        reject(error)
        this.#listener.onBroken(error)
      }
      this.#thread.once('error', (error) => {
        broke(threadError(error))
      })
      this.#thread.once('exit', (status) => {
        broke(new ConvoyError('internal', `The compute thread ended by itself with status ${status}.`))
      })
    })
    // A caller that waits gets the rejection. Without a caller it must not end the process.
    this.#ended.catch(() => undefined)
    this.#thread.on('message', (message: FromCompute) => {
      this.#listener.onMessage(message)
    })
  }

  /**
   * Starts the thread and loads TensorFlow.
   * @param entry the program of the thread, which calls serveLeases. @default TensorFlow computes
   * @throws ConvoyError when TensorFlow cannot be loaded
   */
  static async start(
    choice: DeviceChoice,
    entry: URL = ENTRY,
  ): Promise<{ thread: ComputeThread; device: DeviceDescription }> {
    const thread = new ComputeThread(choice, entry)
    const { device } = await thread.#next('device')
    return { thread, device }
  }

  /** Whether it ended by itself: no session can compute any more. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /**
   * Opens the data set and builds the engine, see {@link Computer}. It starts after the preparation before it has ended, so that each gets its own answer.
   */
  async prepare(message: Parameters<Computer['prepare']>[0]): ReturnType<Computer['prepare']> {
    const prepared = this.#preparing.then(async () => {
      const answer = this.#next('prepared')
      this.send({ kind: 'prepare', ...message })
      return answer
    })
    this.#preparing = prepared
    return prepared
  }

  send(message: ToCompute): void {
    this.#thread.postMessage(message, message.kind === 'weights' ? [message.weights.buffer] : [])
  }

  /** Sets the listener: that of the current session. @param listener absent: none */
  listen(listener = DEAF): void {
    this.#listener = listener
  }

  async close(): Promise<void> {
    this.#thread.removeAllListeners('exit')
    await this.#thread.terminate()
    this.#reject(new ConvoyError('interrupted', 'The compute thread was closed.'))
  }

  async #next<Kind extends FromCompute['kind']>(kind: Kind): Promise<Extract<FromCompute, { kind: Kind }>> {
    const message = new Promise<Extract<FromCompute, { kind: Kind }>>((resolve) => {
      const take = (candidate: FromCompute): void => {
        if (candidate.kind !== kind) return
        this.#thread.off('message', take)
        resolve(candidate as Extract<FromCompute, { kind: Kind }>)
      }
      this.#thread.on('message', take)
    })
    return Promise.race([message, this.#ended])
  }
}

/** Node ends a thread, and not its process, when its heap is full. */
function threadError(thrown: unknown): ConvoyError {
  if ((thrown as NodeJS.ErrnoException).code !== 'ERR_WORKER_OUT_OF_MEMORY') return ConvoyError.from(thrown)
  return new ConvoyError(
    'environment',
    `The compute thread is out of memory: its JavaScript heap is full; ${MORE_HEAP}.`,
    {
      cause: thrown,
    },
  )
}
