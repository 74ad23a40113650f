const MAX_BYTES = 4 * 1024 * 1024

/** The latest server-sent events, for a viewer that reconnects. */
export class EventHistory {
  readonly #run: string
  #number = 0
  #bytes = 0
  #events: { readonly number: number; readonly text: string }[] = []

  /** @param run makes ids differ from those of an earlier server on the same port */
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
   * The events after an event.
   * @param id last event of the viewer; untrusted text
   * @returns undefined when the id is unknown or too old
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
