/** Restarts of a coordinator that dies again and again. */
export const MAX_RESTARTS = 5
/** Before the second restart in a row, in milliseconds; doubled for each further one. The first is at once: the workers wait. */
const BACK_OFF_MS = 1_000
/** A coordinator that served this long, in milliseconds, did not die of its start. */
const STABLE_MS = 30_000

/** Decides whether and when a coordinator that died is restarted. */
export class RestartPolicy {
  #inARow = 0

  /** @param servedMs how long it served, in milliseconds; 0: it died before @returns milliseconds to wait; undefined: give up */
  next(servedMs: number): number | undefined {
    if (servedMs >= STABLE_MS) this.#inARow = 0
    if (this.#inARow === MAX_RESTARTS) return undefined
    const restart = this.#inARow++
    return restart === 0 ? 0 : BACK_OFF_MS * 2 ** (restart - 1)
  }
}
