import { readFileSync } from 'node:fs'
import { BASE_WORKER_BYTES } from '../model/memory-need.js'
import type { MemoryCounters } from '../shared/memory-limits.js'
import { readMemoryCounters } from '../shared/memory-limits.js'
import { FULL_HEAP, ALLOCATION_FAILED, MORE_HEAP } from '../shared/own-shortage.js'
import { formatBytes } from '../shared/units.js'

/** How a child ended. */
export interface ProcessEnd {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  /** The end of what it printed. */
  readonly output: string
}

/** The cause of an end, and its remedy. */
export interface MemoryVerdict {
  /** A few words: "out of memory". */
  readonly cause: string
  /** Sentences. */
  readonly details: string
}

const EVERY_MS = 1_000
/** The kernel counts a kill before it happens, and a full machine may need seconds to end the process. */
const COMPARED_SAMPLES = 10

/** SIGKILL, and the exit status that shells and containers make of it. */
const KILLED_STATUS = 128 + 9

const SMALLER = 'Use fewer workers (--workers) or smaller shards (--shard-size), or allow more memory.'

/**
 * Explains why a child process was killed: samples the memory of the children and the counters of the cgroup that they share with this
 * process. A sample each second costs 0.4 ms, plus 0.03 ms for each child.
 */
export class MemoryWatch {
  readonly #pids: () => readonly number[]
  readonly #coordinatorPid: () => number | undefined
  readonly #timer: NodeJS.Timeout
  /** Samples of the last seconds, the oldest first. */
  #counters: (MemoryCounters | Error)[] = []
  #mostHeldBytes = 0

  /**
   * @param pids of the children that run now
   * @param coordinatorPid of the process whose memory is compared with theirs
   */
  constructor(pids: () => readonly number[], coordinatorPid: () => number | undefined = () => process.pid) {
    this.#pids = pids
    this.#coordinatorPid = coordinatorPid
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
    // Under an address space limit a full heap may also mean that the system did not let it grow.
    if (isHeapFull && limit === undefined) {
      return { cause: 'out of memory: its JavaScript heap was full', details: `To run, ${MORE_HEAP}.` }
    }
    if (!isHeapFull && !ALLOCATION_FAILED.test(output)) return undefined
    const limited = limit === undefined ? '' : ` Its address space is limited to ${formatBytes(limit)} (ulimit -v).`
    const remedy = limit === undefined ? SMALLER : 'Raise the limit.'
    return { cause: 'out of memory', details: `The system gave it no more memory.${limited} ${this.#need()} ${remedy}` }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #explainKill(): MemoryVerdict {
    const [before, after] = [this.#counters[0]!, countersOrError()]
    if (before instanceof Error || after instanceof Error || after.kills === undefined) {
      const why = [after, before].find((read) => read instanceof Error)?.message ?? 'the kernel does not count it'
      return {
        cause: 'perhaps out of memory',
        details: `It cannot be determined whether memory was short (${why}); check the kernel log (dmesg). ${this.#need()}`,
      }
    }
    if (after.kills <= (before.kills ?? 0)) {
      return {
        cause: 'not out of memory',
        details: 'No memory limit was hit: a person or another program killed it.',
      }
    }
    const hitsBefore = new Map(before.limits.map(({ place, hits }) => [place, hits]))
    const hit = after.limits.find(({ place, hits }) => hits > (hitsBefore.get(place) ?? 0))
    const full = hit
      ? `The limit of ${formatBytes(hit.bytes)} in ${hit.place} was hit.`
      : 'No limit of its cgroup was hit: the whole machine, or a container around this one, was full.'
    return { cause: 'out of memory', details: `${full} ${this.#need()} ${SMALLER}` }
  }

  /** "More than": a process that is killed for memory asked for more than it had. */
  #need(): string {
    const worker = formatBytes(Math.max(this.#mostHeldBytes, BASE_WORKER_BYTES))
    const coordinator = formatBytes(heldBytes(this.#coordinatorPid()) ?? 0)
    return `A worker of this run needs more than ${worker}, and the coordinator holds ${coordinator}.`
  }

  #sample(): void {
    this.#counters.push(countersOrError())
    if (this.#counters.length > COMPARED_SAMPLES) this.#counters.shift()
    for (const pid of this.#pids()) this.#mostHeldBytes = Math.max(this.#mostHeldBytes, heldBytes(pid) ?? 0)
  }
}

/** Keeps an error of reading for {@link MemoryWatch.explain}. */
function countersOrError(): MemoryCounters | Error {
  try {
    return readMemoryCounters()
  } catch (error) {
    return error as Error
  }
}

/** Memory of a process that the kernel cannot reclaim: without libraries and mapped files. Undefined when the process has ended. */
function heldBytes(pid: number | undefined): number | undefined {
  return fieldsOf(`/proc/${pid}/status`, /^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm, 1024)
}

/** The limit of this process and its children; undefined when there is none. */
function addressSpaceLimit(): number | undefined {
  return fieldsOf('/proc/self/limits', /^Max address space\s+(\d+) /gm, 1)
}

/** The sum of the numbers that a pattern finds in a file; undefined when it finds none. */
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
