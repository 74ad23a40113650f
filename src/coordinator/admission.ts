import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import { ConvoyError } from '../shared/errors.js'
import type { DeviceMessage, JoinRequest } from '../shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../shared/protocol/messages.js'
import { checkText, MAX_TEXT } from '../shared/protocol/text-bounds.js'
import { nameFault } from '../shared/worker-name.js'
import type { WorkerIdentity } from '../training/run-events.js'

/** A worker that asks to join, checked. It has no id yet. */
export interface Applicant extends Omit<WorkerIdentity, 'id'> {
  /** The same for all joins of one process. Secret: with it a process can replace its own membership. */
  readonly incarnation: string
  readonly host: string
}

/** Decides which workers may join: checks their join requests, and which devices compute the bits of the run. */
export class Admission {
  readonly #allowMixedDevices: boolean
  /** Of the worker whose result was used first: the bits of the run are promised for this device. */
  #fingerprint: string | undefined

  /**
   * @param allowMixedDevices accept workers whose bits may differ
   * @param fingerprint of the device whose results an earlier coordinator of this run used
   */
  constructor(allowMixedDevices: boolean, fingerprint?: string) {
    this.#allowMixedDevices = allowMixedDevices
    this.#fingerprint = fingerprint
  }

  /** Of the device whose bits are promised; undefined: no result was used yet. */
  get fingerprint(): string | undefined {
    return this.#fingerprint
  }

  /**
   * @throws ConvoyError('incompatible') for another protocol, a name that cannot be shown, or a device with other bits;
   * ConvoyError('protocol') for a malformed request
   */
  check(request: JoinRequest): Applicant {
    if (request.protocol !== PROTOCOL_VERSION) {
      throw new ConvoyError(
        'incompatible',
        `The worker speaks protocol ${request.protocol}, this coordinator ${PROTOCOL_VERSION}; run the same version of Convoy on both sides.`,
      )
    }
    const device = readDevice(request.device)
    const fault = nameFault(request.name)
    if (fault !== undefined) throw new ConvoyError('incompatible', `--name: ${fault}`)
    const incarnation = checkText(request.incarnation, MAX_TEXT.incarnation, 'incarnation')
    if (!this.computesAlike(device)) {
      throw new ConvoyError(
        'incompatible',
        `The worker computes on ${device.name} (TensorFlow ${device.tensorflowVersion}), whose bits may differ from those of the run so far. ` +
          '`convoy coordinator --allow-mixed-devices` accepts it; the weights then depend on which worker computes which shard.',
      )
    }
    const host = checkText(request.host, MAX_TEXT.host, 'host')
    return { name: request.name, incarnation, host, device }
  }

  /** Whether this device computes the bits of the run; true until the first result was used. */
  computesAlike({ fingerprint }: DeviceDescription): boolean {
    return this.#allowMixedDevices || this.#fingerprint === undefined || this.#fingerprint === fingerprint
  }

  /**
   * A result of this device was used. The first one decides for the whole run: a join alone proves nothing.
   * @returns whether this was the first one
   */
  counted({ fingerprint }: DeviceDescription): boolean {
    if (this.#fingerprint !== undefined) return false
    this.#fingerprint = fingerprint
    return true
  }
}

/** @throws ConvoyError('protocol') when a part is missing or too long */
function readDevice(device: DeviceMessage | null | undefined): DeviceDescription {
  const { kind, name, tensorflowVersion, fingerprint } = device ?? {}
  if (kind !== 'cpu' && kind !== 'gpu')
    throw new ConvoyError('protocol', 'The worker did not state the device that it computes on.')
  return {
    kind,
    name: checkText(name, MAX_TEXT.deviceName, 'device.name'),
    tensorflowVersion: checkText(tensorflowVersion, MAX_TEXT.tensorflowVersion, 'device.tensorflow_version'),
    fingerprint: checkText(fingerprint, MAX_TEXT.fingerprint, 'device.fingerprint'),
  }
}

/** A secret that proves, on every call, that the caller is the worker that joined. */
export class SessionSecret {
  readonly #bytes = randomBytes(16)

  get hex(): string {
    return this.#bytes.toString('hex')
  }

  /** Constant time. */
  matches(hex: string): boolean {
    // Compared as text: decoding would drop the first character that is not hex, and all after it.
    const [given, own] = [Buffer.from(hex), Buffer.from(this.hex)]
    return given.length === own.length && timingSafeEqual(given, own)
  }
}
