import type { SeededDraws } from './seeded-draws.js'
import type { VirtualTime } from './virtual-time.js'

/** Milliseconds, probabilities per message, bytes per millisecond. */
export interface LinkTraits {
  readonly latencyMs: number
  readonly jitterMs: number
  readonly bytesPerMs: number
  /** Beyond what TCP allows: messages that vanish, come twice or overtake others. The core must survive that too. */
  readonly loss: number
  readonly duplication: number
  readonly reorder: number
}

/** Traits of a link that from a moment on neither loses, doubles nor reorders messages. */
export function traitsUntil(endMs: number, traits: LinkTraits, time: VirtualTime): LinkTraits {
  const untilThen = (probability: number): number => (time.nowMs < endMs ? probability : 0)
  return {
    ...traits,
    get loss() {
      return untilThen(traits.loss)
    },
    get duplication() {
      return untilThen(traits.duplication)
    },
    get reorder() {
      return untilThen(traits.reorder)
    },
  }
}

export type Direction = 'up' | 'down'
/** Connections of their own: what one carries does not wait for the other. */
export type Channel = 'control' | 'data'

/** The connections between one worker process and the coordinator. */
export class SimulatedLink {
  readonly #time: VirtualTime
  readonly #draws: SeededDraws
  readonly #traits: LinkTraits
  /** Nothing passes in this direction; what was sent waits, as TCP's retransmission does. */
  readonly #isDark = { up: false, down: false }
  readonly #held: { readonly direction: Direction; readonly deliver: () => void }[] = []
  /** When the last message of a direction and channel arrives: later ones do not overtake it. */
  readonly #busyUntilMs = new Map<string, number>()
  #connection = 0

  constructor(time: VirtualTime, draws: SeededDraws, traits: LinkTraits) {
    this.#time = time
    this.#draws = draws
    this.#traits = traits
  }

  get isDark(): boolean {
    return this.#isDark.up || this.#isDark.down
  }

  send(direction: Direction, channel: Channel, bytes: number, deliver: () => void): void {
    const { latencyMs, jitterMs, bytesPerMs, loss, duplication, reorder } = this.#traits
    if (this.#draws.chance(loss)) return
    const connection = this.#connection
    const key = `${direction} ${channel}`
    const nowMs = this.#time.nowMs
    const sentMs = Math.max(nowMs, this.#busyUntilMs.get(key) ?? 0) + bytes / bytesPerMs
    this.#busyUntilMs.set(key, sentMs)
    const arriveMs = sentMs + latencyMs + this.#draws.unit() * jitterMs
    const overtakes = this.#draws.chance(reorder)
    const atMs = overtakes ? arriveMs + 50 * this.#draws.unit() : this.#inOrder(key, arriveMs)
    const arrive = (): void => {
      if (connection !== this.#connection) return
      if (this.#isDark[direction]) this.#held.push({ direction, deliver })
      else deliver()
    }
    this.#time.at(atMs, arrive)
    if (this.#draws.chance(duplication)) this.#time.at(atMs + 100 * this.#draws.unit(), arrive)
  }

  /** All messages on their way are lost. */
  breakConnection(): void {
    this.#connection++
    this.#held.length = 0
    this.#arrivals.clear()
    this.#busyUntilMs.clear()
  }

  darken(...directions: readonly Direction[]): void {
    for (const direction of directions) this.#isDark[direction] = true
  }

  heal(): void {
    this.#isDark.up = this.#isDark.down = false
    for (const { deliver } of this.#held.splice(0)) deliver()
  }

  readonly #arrivals = new Map<string, number>()

  #inOrder(key: string, arriveMs: number): number {
    const atMs = Math.max(arriveMs, this.#arrivals.get(key) ?? 0)
    this.#arrivals.set(key, atMs)
    return atMs
  }
}
