import { setTimeout as delay } from 'node:timers/promises'
import { Admission } from '../coordinator/admission.js'
import type { RunOffer } from '../coordinator/worker-server.js'
import { Deferred } from '../shared/deferred.js'
import { ConvoyError } from '../shared/errors.js'
import type { JoinRequest } from '../shared/protocol/messages.js'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'

/** Time for the relay to join before a worker that asks is told to ask again. It waits 5 s for an answer. */
const WAIT_MS = 3_000

/**
 * Lets workers into a relay. The first one that asks decides with its device what the relay computes on, and the relay joins; it is let
 * in when the run is known.
 */
export class RelayDoor {
  readonly #address: string
  /** Other devices are refused below, with the relay's own words. */
  readonly #admission = new Admission(true)
  #asked = new Deferred<DeviceDescription>()
  #opened = new Deferred<RunOffer>()
  #device: DeviceDescription | undefined
  #run: RunOffer | undefined
  #askedMs = 0

  /** @param address of the coordinator, for messages */
  constructor(address: string) {
    this.#address = address
  }

  /** What the workers compute on; undefined: none has asked. */
  get device(): DeviceDescription | undefined {
    return this.#device
  }

  /** Time since a worker asked. */
  get silentMs(): number {
    return performance.now() - this.#askedMs
  }

  /** Resolves with the device as soon as a worker asks, or with undefined when the signal fires. */
  async untilAsked(signal: AbortSignal): Promise<DeviceDescription | undefined> {
    if (signal.aborted) return undefined
    const stop = new Deferred<undefined>()
    const onAbort = (): void => {
      stop.resolve(undefined)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([this.#device ?? this.#asked.promise, stop.promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Workers of the relay learn this run from now on. */
  open(run: RunOffer): void {
    this.#run = run
    this.#opened.resolve(run)
  }

  /** The run is not known any more. */
  close(): void {
    this.#run = undefined
    this.#opened = new Deferred()
  }

  /** No worker is left: the next one decides on the device. */
  forgetDevice(): void {
    this.#device = undefined
    this.#asked = new Deferred()
  }

  /**
   * The run, for a worker that asks to join.
   * @throws ConvoyError('incompatible') for a device with other bits than the relay's, and as {@link Admission.check};
   * ConvoyError('unavailable') when the relay has not joined for a while
   */
  async offer(request: JoinRequest): Promise<RunOffer> {
    const { device } = this.#admission.check(request)
    this.#askedMs = performance.now()
    this.#device ??= device
    this.#asked.resolve(this.#device)
    if (device.fingerprint !== this.#device.fingerprint)
      throw new ConvoyError(
        'incompatible',
        `The worker computes on ${device.name} (TensorFlow ${device.tensorflowVersion}), and those of this relay on ${this.#device.name} ` +
          `(TensorFlow ${this.#device.tensorflowVersion}): their bits may differ. Let it join another relay, or the coordinator.`,
      )
    const run = this.#run ?? (await this.#untilOpen())
    if (run === undefined)
      throw new ConvoyError('unavailable', `The relay has not joined the coordinator at ${this.#address} yet.`)
    return run
  }

  /** @returns undefined when it takes too long */
  async #untilOpen(): Promise<RunOffer | undefined> {
    const patience = new AbortController()
    try {
      return await Promise.race([this.#opened.promise, delay(WAIT_MS, undefined, { signal: patience.signal })])
    } finally {
      patience.abort()
    }
  }
}
