import { Worker as Thread, SHARE_ENV } from 'node:worker_threads'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import type { DeviceChoice } from '../tensorflow/runtime/device-choice.js'
import { ConvoyError } from '../shared/errors.js'
import { MORE_HEAP } from '../shared/own-shortage.js'
import type { FromCompute, ToCompute } from './compute-messages.js'

/** Callbacks of the session that uses the thread. */
export interface ComputeListener {
  readonly onMessage: (message: FromCompute) => void
  /** The thread ended before {@link ComputeThread.close}. */
  readonly onBroken: (error: Error) => void
}

const DEAF: ComputeListener = { onMessage: () => undefined, onBroken: () => undefined }

/**
 * The compute thread, as the main thread sees it. TensorFlow never runs on the main thread, so heartbeats and
 * keepalive answer during a long step.
 */
export class ComputeThread {
  readonly #thread: Thread
  #listener = DEAF
  #isBroken = false
  /** Settles when no preparation is running. */
  #preparing: Promise<unknown> = Promise.resolve()
  #reject: (error: Error) => void = () => undefined
  /** Rejects when the thread ends. */
  readonly #ended: Promise<never>

  private constructor(device: DeviceChoice) {
    // SHARE_ENV: TensorFlow reads the real environment, which a thread's own copy would hide.
    this.#thread = new Thread(new URL('./compute-thread-entry.js', import.meta.url), {
      env: SHARE_ENV,
      workerData: device,
      name: 'compute',
    })
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

  /** Starts the thread and loads TensorFlow. @throws ConvoyError when TensorFlow cannot be loaded */
  static async start(choice: DeviceChoice): Promise<{ thread: ComputeThread; device: DeviceDescription }> {
    const thread = new ComputeThread(choice)
    const { device } = await thread.#next('device')
    return { thread, device }
  }

  /** Whether it ended by itself: no session can compute any more. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /**
   * Opens the data set and builds the engine. It starts after the preparation before it has ended, so that each gets its own answer.
   * @returns whether shared files can be used
   * @throws ConvoyError('data') when the data set is not in this machine's cache
   */
  async prepare(
    message: Omit<Extract<ToCompute, { kind: 'prepare' }>, 'kind'>,
  ): Promise<{ shared: boolean; sharingProblem?: string }> {
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
