import { readFileSync } from 'node:fs'
import { BASE_WORKER_BYTES } from '../model/memory-need.js'
import type { MemoryCounters } from '../shared/memory-limits.js'
import { readMemoryCounters } from '../shared/memory-limits.js'
import { FULL_HEAP, MEMORY_REFUSED, MORE_HEAP } from '../shared/own-shortage.js'
import { formatBytes } from '../shared/units.js'

/** How a child ended. */
export interface ProcessEnd {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  /** The end of what it printed. */
  readonly output: string
}

/** Why, and what to do about it. */
export interface MemoryVerdict {
  /** A few words: "out of memory". */
  readonly cause: string
  /** Sentences. */
  readonly details: string
}

const EVERY_MS = 1_000
/** The kernel counts before it kills, and a full machine may need seconds to clear away what it killed. */
const COMPARED_SAMPLES = 10

/** SIGKILL, and the exit status that shells and containers make of it. */
const KILLED_STATUS = 128 + 9

const SMALLER = 'Use fewer workers (--workers) or smaller shards (--shard-size), or allow more memory.'

/**
 * Knows why a child of this process was killed: watches what the children hold and what the kernel counts for the cgroup that they
 * share with this process. A second's sample costs 0.4 ms, and 0.03 ms for each child.
 */
export class MemoryWatch {
  readonly #pids: () => readonly number[]
  readonly #timer: NodeJS.Timeout
  /** Of the last seconds, the oldest first. */
  #counters: (MemoryCounters | Error)[] = []
  #mostHeldBytes = 0

  /** @param pids of the children that run now */
  constructor(pids: () => readonly number[]) {
    this.#pids = pids
    this.#sample()
    this.#timer = setInterval(() => {
      this.#sample()
    }, EVERY_MS).unref()
  }

  /** @returns undefined when it did not end for memory, and was not killed either */
  explain({ status, signal, output }: ProcessEnd): MemoryVerdict | undefined {
    if (signal === 'SIGKILL' || status === KILLED_STATUS) return this.#explainKill()
    const limit = addressSpaceLimit()
    const isHeapFull = FULL_HEAP.test(output)
    // A heap that the system does not let grow is full too.
    if (isHeapFull && limit === undefined) {
      return { cause: 'out of memory: its JavaScript heap was full', details: `To run, ${MORE_HEAP}.` }
    }
    if (!isHeapFull && !MEMORY_REFUSED.test(output)) return undefined
    const limited = limit === undefined ? '' : ` Its address space is limited to ${formatBytes(limit)} (ulimit -v).`
    const remedy = limit === undefined ? SMALLER : 'Allow more.'
    return { cause: 'out of memory', details: `The system gave it no more.${limited} ${this.#need()} ${remedy}` }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #explainKill(): MemoryVerdict {
    const [before, after] = [this.#counters[0]!, countersOrError()]
    if (before instanceof Error || after instanceof Error || after.kills === undefined) {
      const why = [after, before].find((read) => read instanceof Error)?.message ?? 'the kernel does not count it'
      return {
        cause: 'perhaps for memory',
        details: `Whether memory was short cannot be found out (${why}); the kernel's log says it (dmesg). ${this.#need()}`,
      }
    }
    if (after.kills <= (before.kills ?? 0)) {
      return {
        cause: 'not for memory',
        details: 'No memory limit was hit: somebody, or another program, killed it.',
      }
    }
    const hitsBefore = new Map(before.limits.map(({ place, hits }) => [place, hits]))
    const hit = after.limits.find(({ place, hits }) => hits > (hitsBefore.get(place) ?? 0))
    const full = hit
      ? `The limit of ${formatBytes(hit.bytes)} in ${hit.place} was hit.`
      : 'No limit of its cgroup was hit: the whole machine, or a container around this one, was full.'
    return { cause: 'out of memory', details: `${full} ${this.#need()} ${SMALLER}` }
  }

  /** More, for who is killed wanted more. */
  #need(): string {
    const worker = formatBytes(Math.max(this.#mostHeldBytes, BASE_WORKER_BYTES))
    const coordinator = formatBytes(heldBytes(process.pid) ?? 0)
    return `A worker of this run needs more than ${worker}, and the coordinator holds ${coordinator}.`
  }

  #sample(): void {
    this.#counters.push(countersOrError())
    if (this.#counters.length > COMPARED_SAMPLES) this.#counters.shift()
    for (const pid of this.#pids()) this.#mostHeldBytes = Math.max(this.#mostHeldBytes, heldBytes(pid) ?? 0)
  }
}

/** What stands in the way of reading is said when somebody asks. */
function countersOrError(): MemoryCounters | Error {
  try {
    return readMemoryCounters()
  } catch (error) {
    return error as Error
  }
}

/** What a process holds that the kernel cannot take back: not its libraries, nor files that it maps. Undefined: it is gone. */
function heldBytes(pid: number): number | undefined {
  return fieldsOf(`/proc/${pid}/status`, /^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm, 1024)
}

/** Of this process, and so of those that it starts. Undefined: none. */
function addressSpaceLimit(): number | undefined {
  return fieldsOf('/proc/self/limits', /^Max address space\s+(\d+) /gm, 1)
}

/** The sum of a file's numbers; undefined where they are not to be had. */
function fieldsOf(file: string, pattern: RegExp, unit: number): number | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
  const numbers = [...text.matchAll(pattern)].map(([, digits]) => unit * Number(digits))
  return numbers.length === 0 ? undefined : numbers.reduce((sum, number) => sum + number, 0)
}
