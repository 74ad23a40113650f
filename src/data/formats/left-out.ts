/** Files of a source that are no samples, counted by reason. */
export interface LeftOut {
  /** As a sentence has it, for the count that stands beside it: `HEIC files, which …`. */
  readonly reason: string
  readonly count: number
  /** The first paths. */
  readonly examples: readonly string[]
}

const MAX_EXAMPLES = 3

/** Reasons in the plural, and in the singular; `#` stands for an image format. */
const REASONS = {
  hidden: ['hidden or system files and directories', 'hidden or system file or directory'],
  loop: ['links that lead back to a directory around them', 'link that leads back to a directory around it'],
  repeated: [
    'directories that were read already under another name',
    'directory that was read already under another name',
  ],
  special: ['pipes, sockets or devices', 'pipe, socket or device'],
  dangling: ['links that lead to nothing', 'link that leads to nothing'],
  unreadable: ['files or directories that cannot be read', 'file or directory that cannot be read'],
  'not-utf8': ['names that are not UTF-8', 'name that is not UTF-8'],
  'too-deep': ['directories that lie too deep', 'directory that lies too deep'],
  broken: ['files that cannot be decoded', 'file that cannot be decoded'],
  format: [
    '# files, which this build cannot decode (convert them to JPEG or PNG)',
    '# file, which this build cannot decode (convert it to JPEG or PNG)',
  ],
  nameless: [
    'images whose names have no image extension (add .jpg, .png or the like)',
    'image whose name has no image extension (add .jpg, .png or the like)',
  ],
  other: ['other files, which are no images', 'other file, which is no image'],
} as const
export type LeftOutReason = keyof typeof REASONS

/** Counts the files that are left out. */
export class LeftOutCounts {
  readonly #counts = new Map<string, { reason: LeftOutReason; format: string; count: number; examples: string[] }>()

  /** @param format of `format`: which one */
  add(reason: LeftOutReason, path: string, format = ''): void {
    const key = `${reason} ${format}`
    const entry = this.#counts.get(key) ?? { reason, format, count: 0, examples: [] }
    this.#counts.set(key, entry)
    entry.count++
    if (entry.examples.length < MAX_EXAMPLES) entry.examples.push(path)
  }

  /** In the order of the reasons above. @param only these reasons */
  list(only?: readonly LeftOutReason[]): LeftOut[] {
    const order = Object.keys(REASONS)
    return [...this.#counts.values()]
      .filter(({ reason }) => only?.includes(reason) ?? true)
      .sort((a, b) => order.indexOf(a.reason) - order.indexOf(b.reason) || (a.format < b.format ? -1 : 1))
      .map(({ reason, format, count, examples }) => ({
        reason: REASONS[reason][count === 1 ? 1 : 0].replace('#', format),
        count,
        examples,
      }))
  }
}

/** `Left out: 3 HEIC files, which … (a.heic, b.heic, …)`, a line each. */
export function describeLeftOut(all: readonly LeftOut[]): string[] {
  return all.map(({ reason, count, examples }) => {
    const names = count > examples.length ? [...examples, '…'] : examples
    return `Left out: ${count.toLocaleString('en')} ${reason}: ${names.join(', ')}`
  })
}
