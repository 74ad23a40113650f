const MAX_BYTES = 4 * 1024 * 1024

/** The server-sent events of late, for a viewer that comes back after a break. */
export class EventHistory {
  readonly #run: string
  #number = 0
  #bytes = 0
  #events: { readonly number: number; readonly text: string }[] = []

  /** @param run tells ids of this server from those of the one before on the same port */
  constructor(run: string) {
    this.#run = run
  }

  /** The id of the newest event. */
  get id(): string {
    return `${this.#run}-${this.#number}`
  }

  /** @returns the event as it is sent */
  add(kind: string, json: string): string {
    this.#number++
    const text = `id: ${this.id}\nevent: ${kind}\ndata: ${json}\n\n`
    this.#events.push({ number: this.#number, text })
    this.#bytes += text.length
    while (this.#bytes > MAX_BYTES) this.#bytes -= this.#events.shift()!.text.length
    return text
  }

  /**
   * What came after an event.
   * @param id the last one that the viewer has seen; anything, it comes from outside
   * @returns undefined when that cannot be told any more
   */
  since(id: string | undefined): string | undefined {
    const prefix = `${this.#run}-`
    if (id?.startsWith(prefix) !== true || !/^\d{1,15}$/.test(id.slice(prefix.length))) return undefined
    const seen = Number(id.slice(prefix.length))
    const missed = this.#events.filter(({ number }) => number > seen)
    return seen <= this.#number && missed.length === this.#number - seen
      ? missed.map(({ text }) => text).join('')
      : undefined
  }
}
