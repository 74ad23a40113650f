import type { SeededDraws } from '../seeded-draws.js'
import { StoredFile } from './stored-file.js'

export type Stored = StoredFile | StoredDirectory
type Entries = Map<string, Stored>

/** A directory as processes see it, and as it is on the disk. As in file systems with a log, its changes reach the disk in their order. */
export class StoredDirectory {
  #entries: Entries = new Map()
  readonly #onDisk: Entries = new Map()
  /** Changes that need not be on the disk yet. */
  #pending: ((entries: Entries) => void)[] = []

  get(name: string): Stored | undefined {
    return this.#entries.get(name)
  }

  /** In the order in which they were made; that of real directories is any. */
  get names(): string[] {
    return [...this.#entries.keys()]
  }

  set(name: string, entry: Stored): void {
    this.#change((entries) => entries.set(name, entry))
  }

  remove(name: string): void {
    this.#change((entries) => entries.delete(name))
  }

  /** Both names change, or none. */
  rename(from: string, to: string): void {
    this.#change((entries) => {
      const entry = entries.get(from)
      if (entry === undefined) return
      entries.delete(from)
      entries.set(to, entry)
    })
  }

  sync(): void {
    for (const change of this.#pending) change(this.#onDisk)
    this.#pending = []
  }

  cutPower(draws: SeededDraws): void {
    this.#pending.length = draws.below(this.#pending.length + 1)
    this.sync()
    this.#entries = new Map(this.#onDisk)
    for (const entry of this.#entries.values()) entry.cutPower(draws)
  }

  /** Bytes of all files in it, as processes see them. */
  get bytes(): number {
    let sum = 0
    for (const entry of this.#entries.values()) sum += entry instanceof StoredFile ? entry.content.length : entry.bytes
    return sum
  }

  #change(change: (entries: Entries) => void): void {
    change(this.#entries)
    this.#pending.push(change)
  }
}
