interface Execution {
  readonly lease: number
  readonly worker: number
  readonly name: string
  /** undefined while it runs */
  hash: string | undefined
}

/**
 * - open: more results are needed to decide
 * - agreed: two workers computed the same; `wrong` are the names of those that did not
 */
export type Verdict =
  { readonly kind: 'open' } | { readonly kind: 'agreed'; readonly lease: number; readonly wrong: readonly string[] }

/**
 * One block, computed by two workers whose results must be equal, bit for bit. When they differ, a third decides; where
 * there is none, each computes once more, and one that contradicts itself is the one that is wrong.
 */
export class Audit {
  readonly first: number
  readonly count: number
  /** The `disputed` outcome was reported. */
  isDisputeReported = false
  #executions: Execution[] = []

  constructor(first: number, count: number) {
    this.first = first
    this.count = count
  }

  /** Leases whose results are kept until the verdict. */
  get finished(): number[] {
    return this.#executions.flatMap(({ lease, hash }) => (hash === undefined ? [] : [lease]))
  }

  get running(): number {
    return this.#executions.filter(({ hash }) => hash === undefined).length
  }

  /** The worker that computed this lease. */
  executor(lease: number): { readonly worker: number; readonly name: string } {
    return this.#executions.find((execution) => execution.lease === lease)!
  }

  /** @param others names of all workers that could take it instead */
  wants(name: string, others: readonly string[]): boolean {
    const names = new Set(this.#executions.map((execution) => execution.name))
    if (this.#executions.length < 2) return !names.has(name)
    if (this.running > 0) return false
    if (!names.has(name)) return true
    return others.every((other) => names.has(other)) && this.#executions.filter((e) => e.name === name).length === 1
  }

  start(lease: number, worker: number, name: string): void {
    this.#executions.push({ lease, worker, name, hash: undefined })
  }

  /** This lease will not be finished: it was revoked or failed, or its worker left. */
  lost(lease: number): void {
    this.#executions = this.#executions.filter((execution) => execution.lease !== lease || execution.hash !== undefined)
  }

  /** Discards the results of this worker, which holds no lease. @returns the leases whose results were kept */
  discardBy(name: string): number[] {
    const discarded = this.#executions.filter((execution) => execution.name === name)
    this.#executions = this.#executions.filter((execution) => !discarded.includes(execution))
    return discarded.map(({ lease }) => lease)
  }

  finish(lease: number, hash: string): void {
    this.#executions.find((execution) => execution.lease === lease)!.hash = hash
  }

  verdict(): Verdict {
    const finished = this.#executions.filter(({ hash }) => hash !== undefined)
    const contradicts = ({ name, hash }: Execution): boolean => finished.some((e) => e.name === name && e.hash !== hash)
    const credible = finished.filter((execution) => !contradicts(execution))
    const right =
      credible.find(({ name, hash }) => credible.some((other) => other.name !== name && other.hash === hash)) ??
      (credible.length < finished.length && new Set(credible.map(({ hash }) => hash)).size === 1
        ? credible[0]
        : undefined)
    if (right === undefined) return { kind: 'open' }
    const wrong = new Set(finished.filter(({ hash }) => hash !== right.hash).map(({ name }) => name))
    return { kind: 'agreed', lease: right.lease, wrong: [...wrong] }
  }
}
