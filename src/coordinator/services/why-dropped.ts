import { ConvoyError } from '../../shared/errors.js'

/** Why a worker is dropped whose result could not be taken, and whether the fault is the coordinator's own. */
export function whyDropped(thrown: unknown): { readonly reason: string; readonly isOwnFault: boolean } {
  const { code, message } = ConvoyError.from(thrown)
  return code === 'protocol'
    ? { reason: 'sent a malformed result', isOwnFault: false }
    : { reason: `the coordinator could not take its result: ${message}`, isOwnFault: true }
}
