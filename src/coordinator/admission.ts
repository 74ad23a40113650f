import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { DeviceDescription } from '../engine/engine.js'
import { ConvoyError } from '../shared/errors.js'
import type { JoinRequest } from '../shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../shared/protocol/messages.js'
import { nameFault } from '../shared/worker-name.js'

/** What a worker says of itself, checked. */
export interface Applicant {
  readonly name: string
  /** The same for all joins of one process. */
  readonly incarnation: string
  readonly device: DeviceDescription
}

/** Who may take part, and the secrets that prove who is who. */
export class Admission {
  readonly #allowMixedDevices: boolean
  /** Of the first worker: what the run's bits are promised for. */
  #fingerprint: string | undefined

  /** @param allowMixedDevices accept workers whose bits may differ */
  constructor(allowMixedDevices: boolean) {
    this.#allowMixedDevices = allowMixedDevices
  }

  /**
   * @throws ConvoyError('incompatible') for another protocol, a name that cannot be shown, or a device with other bits;
   * ConvoyError('protocol') for nonsense
   */
  check(request: JoinRequest): Applicant {
    if (request.protocol !== PROTOCOL_VERSION) {
      throw new ConvoyError(
        'incompatible',
        `The worker speaks protocol ${request.protocol}, this coordinator ${PROTOCOL_VERSION}; run the same version of Convoy on both sides.`,
      )
    }
    const { kind, name, tensorflowVersion, fingerprint } = request.device ?? {}
    if ((kind !== 'cpu' && kind !== 'gpu') || !name || !tensorflowVersion || !fingerprint) {
      throw new ConvoyError('protocol', 'The worker did not say what device it computes on.')
    }
    const fault = nameFault(request.name)
    if (fault !== undefined) throw new ConvoyError('incompatible', `--name: ${fault}`)
    if (!request.incarnation) throw new ConvoyError('protocol', 'The worker did not say which process it is.')
    this.#fingerprint ??= fingerprint
    if (fingerprint !== this.#fingerprint && !this.#allowMixedDevices) {
      throw new ConvoyError(
        'incompatible',
        `The worker computes on ${name} (TensorFlow ${tensorflowVersion}), whose bits may differ from those of the run's first worker. ` +
          '`convoy coordinator --allow-mixed-devices` accepts it; the weights then depend on who computes what.',
      )
    }
    return {
      name: request.name,
      incarnation: request.incarnation,
      device: { kind, name: name.slice(0, 200), tensorflowVersion: tensorflowVersion.slice(0, 40), fingerprint },
    }
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
    const given = Buffer.from(hex, 'hex')
    return given.length === this.#bytes.length && timingSafeEqual(given, this.#bytes)
  }
}
