import { readdir, readFile } from 'node:fs/promises'

/** Memory and descriptors of a process at a moment. */
export interface Footprint {
  readonly residentBytes: number
  readonly descriptors: number
}

export interface FootprintGrowth {
  /** The minimum of the first third of the time: the need of the process. */
  readonly first: Footprint
  /** The minimum of the last third, which includes leaks but not what faults open for a while. */
  readonly last: Footprint
}

const SAMPLE_EVERY_MS = 500
const PAGE_BYTES = 4_096
/** Allowance for connections that their keepalive has not yet ended. */
const MAX_MORE_DESCRIPTORS = 24
/** Allowance for the heap, which grows to its size in the first minutes. */
const MAX_MORE_BYTES = 256 * 1024 * 1024

/** Watches a process until {@link FootprintWatch.end}. */
export class FootprintWatch {
  readonly #pid: number
  readonly #samples: Footprint[] = []
  readonly #timer: NodeJS.Timeout

  constructor(pid: number) {
    this.#pid = pid
    this.#timer = setInterval(() => {
      void this.#sample()
    }, SAMPLE_EVERY_MS)
  }

  /** @returns undefined without /proc, or when the time was too short */
  end(): FootprintGrowth | undefined {
    clearInterval(this.#timer)
    const third = Math.floor(this.#samples.length / 3)
    if (third === 0) return undefined
    return { first: smallest(this.#samples.slice(0, third)), last: smallest(this.#samples.slice(-third)) }
  }

  async #sample(): Promise<void> {
    try {
      const [statm, open] = await Promise.all([
        readFile(`/proc/${this.#pid}/statm`, 'utf8'),
        readdir(`/proc/${this.#pid}/fd`),
      ])
      this.#samples.push({ residentBytes: Number(statm.split(' ')[1]) * PAGE_BYTES, descriptors: open.length })
    } catch {
      // The process has ended, or this is not Linux.
    }
  }
}

/** Messages about excessive growth. */
export function growthViolations({ first, last }: FootprintGrowth): string[] {
  const moreDescriptors = last.descriptors - first.descriptors
  const moreBytes = last.residentBytes - first.residentBytes
  return [
    ...(moreDescriptors > MAX_MORE_DESCRIPTORS ? [`the coordinator holds ${moreDescriptors} more descriptors`] : []),
    ...(moreBytes > MAX_MORE_BYTES
      ? [`the coordinator holds ${Math.round(moreBytes / 1024 / 1024)} MiB more memory`]
      : []),
  ]
}

function smallest(samples: readonly Footprint[]): Footprint {
  return {
    residentBytes: Math.min(...samples.map(({ residentBytes }) => residentBytes)),
    descriptors: Math.min(...samples.map(({ descriptors }) => descriptors)),
  }
}
