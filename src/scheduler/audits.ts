import { Audit } from './audit.js'
import type { Block, TaskShards } from './task-shards.js'
import type { WorkerRecord, WorkerTable } from './worker-table.js'

/** The end of an audit, or `disputed`: the results differ, and no worker is left whose result could decide. */
export type AuditConclusion =
  | { readonly outcome: 'disputed' }
  | {
      readonly outcome: 'agreed' | 'mismatch' | 'unverified'
      /** The lease whose result is used, and its worker. */
      readonly lease: number
      readonly worker: number
      readonly name: string
      readonly block: Block
      /** The other leases whose results were kept. */
      readonly discarded: readonly number[]
      /** Names of the workers that computed another result. */
      readonly wrong: readonly string[]
    }

/** The audits of one task. */
export class Audits {
  readonly #workers: WorkerTable
  readonly #shards: TaskShards
  readonly #every: number
  #audits: readonly Audit[] = []

  /** @param every one lease in this many is audited; 0: none */
  constructor(workers: WorkerTable, shards: TaskShards, every: number) {
    this.#workers = workers
    this.#shards = shards
    this.#every = every
  }

  get all(): readonly Audit[] {
    return this.#audits
  }

  /** Leases whose results are kept until their audits end. */
  get kept(): readonly number[] {
    return this.#audits.flatMap(({ finished }) => finished)
  }

  /** Whether this shard is in an audited block. */
  covers(shard: number): boolean {
    return this.#audits.some(({ first, count }) => shard >= first && shard < first + count)
  }

  /** @returns the audit of a new lease on this block; undefined when this lease is not audited, or no other worker could compare */
  begin(lease: number, { first, count }: Block, worker: WorkerRecord): Audit | undefined {
    if (this.#every === 0 || lease % this.#every !== 0) return undefined
    if (!this.#workers.eligible().some(({ name }) => name !== worker.name)) return undefined
    const audit = new Audit(first, count)
    this.#audits = [...this.#audits, audit]
    return audit
  }

  /** The first audit that needs a result of this worker. */
  neededFrom(worker: WorkerRecord): Audit | undefined {
    return this.#audits.find((audit) => this.#needs(audit, worker))
  }

  /** Discards what this worker computed. @returns the leases whose results were kept */
  discardBy(name: string): readonly number[] {
    return this.#audits.flatMap((audit) => audit.discardBy(name))
  }

  /** Ends an audit as soon as it can be decided. @returns undefined while it cannot; a dispute is returned once */
  conclude(audit: Audit): AuditConclusion | undefined {
    const verdict = audit.verdict()
    if (verdict.kind === 'agreed')
      return this.#end(audit, verdict.lease, verdict.wrong.length > 0 ? 'mismatch' : 'agreed', verdict.wrong)
    const { finished, running } = audit
    if (finished.length === 0 || running > 0) return undefined
    if (this.#workers.eligible().some((worker) => this.#needs(audit, worker))) return undefined
    if (finished.length === 1) return this.#end(audit, finished[0]!, 'unverified', [])
    if (audit.isDisputeReported) return undefined
    audit.isDisputeReported = true
    return { outcome: 'disputed' }
  }

  #end(
    audit: Audit,
    lease: number,
    outcome: 'agreed' | 'mismatch' | 'unverified',
    wrong: readonly string[],
  ): AuditConclusion {
    this.#audits = this.#audits.filter((other) => other !== audit)
    const discarded = audit.finished.filter((other) => other !== lease)
    return { outcome, lease, ...audit.executor(lease), block: audit, discarded, wrong }
  }

  #needs(audit: Audit, worker: WorkerRecord): boolean {
    const eligible = this.#workers.eligible()
    const names = eligible.map(({ name }) => name)
    return audit.wants(worker.name, names) && this.#shards.mayTakeBlock(audit, worker, eligible)
  }
}
