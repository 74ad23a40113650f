import path from 'node:path'

/** The entry of one name in a tar. */
export type ArchiveEntry =
  | { readonly kind: 'file'; readonly name: string; readonly head: Buffer; readonly bytes?: Buffer }
  | { readonly kind: 'directory' }
  /** To a path of the archive. */
  | { readonly kind: 'link'; readonly target: string }
  /** To a path as the directory of the link has it. */
  | { readonly kind: 'symlink'; readonly target: string }
  /** A pipe, a device, or a form of file that is not known. */
  | { readonly kind: 'special' }
  | { readonly kind: 'not-utf8' }

/** As many as Linux follows. */
const MAX_LINKS = 40
const OUTSIDE = Symbol('outside of the archive')

/** The names of an archive, as they would lie on a disk: the last entry of a name counts. */
export class ArchiveEntries {
  readonly #entries = new Map<string, ArchiveEntry>()
  #directories: Set<string> | undefined

  set(where: string, entry: ArchiveEntry): void {
    if (where !== '') this.#entries.set(where, entry)
  }

  all(): Iterable<[string, ArchiveEntry]> {
    return this.#entries
  }

  /** Of regular files. */
  names(): string[] {
    return [...this.#entries].filter(([, { kind }]) => kind === 'file').map(([where]) => where)
  }

  bytesOf(where: string): Buffer {
    const entry = this.#entries.get(where)
    return entry?.kind === 'file' ? (entry.bytes ?? Buffer.alloc(0)) : Buffer.alloc(0)
  }

  /** Follows links. @returns undefined when they lead out of the archive, to nothing or in a circle */
  resolve(where: string): { path: string; entry: ArchiveEntry } | undefined {
    let goal = where
    for (let links = 0; links <= MAX_LINKS; links++) {
      const next = this.#followFirst(goal)
      if (next === undefined) {
        const entry =
          this.#entries.get(goal) ?? (this.#isDirectory(goal) ? ({ kind: 'directory' } as const) : undefined)
        return entry && { path: goal, entry }
      }
      if (next === OUTSIDE) return undefined
      goal = next
    }
    return undefined
  }

  /** Replaces the first link on the path by its target. @returns undefined when there is none */
  #followFirst(where: string): string | typeof OUTSIDE | undefined {
    const parts = where.split('/')
    for (let length = 1; length <= parts.length; length++) {
      const start = parts.slice(0, length).join('/')
      const entry = this.#entries.get(start)
      if (entry?.kind !== 'link' && entry?.kind !== 'symlink') continue
      const { kind, target } = entry
      if (kind === 'symlink' && path.posix.isAbsolute(target)) return /^\/+$/.test(target) ? '' : OUTSIDE
      const from = kind === 'symlink' ? path.posix.dirname(start) : '.'
      const goal = path.posix.join(from, target.replace(/^\/+/, ''), ...parts.slice(length)).replace(/\/$/, '')
      // A parent directory of the archive also contains the link: the link leads back.
      if (/^\.\.(\/\.\.)*$/.test(goal)) return ''
      if (goal.startsWith('../')) return OUTSIDE
      return goal === '.' ? '' : goal
    }
    return undefined
  }

  #isDirectory(where: string): boolean {
    this.#directories ??= new Set(
      [...this.#entries.keys()].flatMap((name) => {
        const parts = name.split('/')
        return parts.map((_, index) => parts.slice(0, index).join('/'))
      }),
    )
    return this.#directories.has(where)
  }
}
