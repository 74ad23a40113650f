import { readdir, readFile } from 'node:fs/promises'

/** What a process holds at a moment. */
export interface Footprint {
  readonly residentBytes: number
  readonly descriptors: number
}

export interface FootprintGrowth {
  /** The smallest of the first third of the time: what the process needs. */
  readonly first: Footprint
  /** The smallest of the last third: a leak cannot hide from it, and what faults open for a while does not matter. */
  readonly last: Footprint
}

const SAMPLE_EVERY_MS = 500
const PAGE_BYTES = 4_096
/** Connections that wait for their keepalive to end them. */
const MAX_MORE_DESCRIPTORS = 24
/** The heap finds its size in the first minutes. */
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

  /** @returns undefined where there is no /proc, or when it was too short to say anything */
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
      // It has ended, or this is not Linux.
    }
  }
}

/** What grew too much, for people. */
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
