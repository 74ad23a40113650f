import type { SeededDraws } from '../seeded-draws.js'
import { StoredFile } from './stored-file.js'

export type Stored = StoredFile | StoredDirectory
type Entries = Map<string, Stored>

interface Change {
  readonly names: readonly string[]
  readonly apply: (entries: Entries) => void
}

/** A directory as processes see it, and as it is on the disk. Only changes of the same name reach the disk in their order. */
export class StoredDirectory {
  #entries: Entries = new Map()
  readonly #onDisk: Entries = new Map()
  /** Changes that need not be on the disk yet. */
  #pending: Change[] = []

  get(name: string): Stored | undefined {
    return this.#entries.get(name)
  }

  /** In the order in which they were made; that of real directories is any. */
  get names(): string[] {
    return [...this.#entries.keys()]
  }

  set(name: string, entry: Stored): void {
    this.#change([name], (entries) => entries.set(name, entry))
  }

  remove(name: string): void {
    this.#change([name], (entries) => entries.delete(name))
  }

  /** Both names change, or none. */
  rename(from: string, to: string): void {
    this.#change([from, to], (entries) => {
      const entry = entries.get(from)
      if (entry === undefined) return
      entries.delete(from)
      entries.set(to, entry)
    })
  }

  sync(): void {
    for (const { apply } of this.#pending) apply(this.#onDisk)
    this.#pending = []
  }

  cutPower(draws: SeededDraws): void {
    const lost = new Set<string>()
    this.#pending = this.#pending.filter(({ names }) => {
      const isOnDisk = draws.chance(0.5) && !names.some((name) => lost.has(name))
      if (!isOnDisk) for (const name of names) lost.add(name)
      return isOnDisk
    })
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

  #change(names: readonly string[], apply: Change['apply']): void {
    apply(this.#entries)
    this.#pending.push({ names, apply })
  }
}
