import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Wire } from '../../model/config/run-config.js'
import { ConvoyError } from '../../shared/errors.js'
import type { RecordedStep } from './step-recorder.js'
import type { ExchangeOptimizer } from './synthetic-run.js'

export interface CoordinatorSettings {
  /** Of the model. */
  readonly weights: number
  /** Of a step. */
  readonly shards: number
  readonly optimizer: ExchangeOptimizer
  readonly wire: Wire
  readonly maxWorkers: number
}

export type CoordinatorRequest =
  { readonly kind: 'count' } | { readonly kind: 'steps'; readonly count: number } | { readonly kind: 'facts' }

/** Resident memory of the coordinator's process. */
export interface CoordinatorMemory {
  /** Before it had any vector: Node and the program. */
  readonly emptyBytes: number
  readonly peakBytes: number
  /** After the last step. */
  readonly lastBytes: number
}

/** What a turn of steps was like. */
export interface CoordinatorSteps {
  /** Of each step. */
  readonly seconds: number[]
  readonly recorded: RecordedStep[]
  /** Id and name of each worker. */
  readonly names: (readonly [number, string])[]
}

export interface CoordinatorFacts {
  readonly memory: CoordinatorMemory
  readonly weightsSha256: string
}

export type CoordinatorReply =
  | { readonly kind: 'listening'; readonly address: string }
  | { readonly kind: 'workers'; readonly count: number }
  | ({ readonly kind: 'steps' } & CoordinatorSteps)
  | ({ readonly kind: 'facts' } & CoordinatorFacts)
  | { readonly kind: 'failed'; readonly message: string }

const ENTRY = fileURLToPath(new URL('./coordinator-entry.js', import.meta.url))
const WAIT_MS = 20

/** A coordinator as a process of its own, with nothing else in its memory. Started as the command `convoy` starts one. */
export class CoordinatorProcess {
  readonly address: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, address: string) {
    this.#child = child
    this.address = address
  }

  /** @throws ConvoyError('environment') when the process ends before it listens */
  static async start(settings: CoordinatorSettings): Promise<CoordinatorProcess> {
    const child = fork(ENTRY, [JSON.stringify(settings)], {
      ...{
        execArgv: ['--single-threaded-gc'],
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      },
    })
    const { address } = await replyOf(child, 'listening')
    return new CoordinatorProcess(child, address)
  }

  /** Waits until so many workers are ready. @throws the signal's reason when it fires */
  async untilReady(workers: number, signal: AbortSignal): Promise<void> {
    while ((await this.#ask({ kind: 'count' }, 'workers')).count < workers) {
      signal.throwIfAborted()
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
    }
  }

  /** Runs this many steps. @throws ConvoyError('environment') when the run failed or the process ended */
  async steps(count: number): Promise<CoordinatorSteps> {
    return this.#ask({ kind: 'steps', count }, 'steps')
  }

  /** After the steps so far. @throws as {@link steps} */
  async facts(): Promise<CoordinatorFacts> {
    return this.#ask({ kind: 'facts' }, 'facts')
  }

  /** Ends the run: workers get `finish`. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.disconnect()
    await once(this.#child, 'exit')
  }

  async #ask<Kind extends CoordinatorReply['kind']>(
    request: CoordinatorRequest,
    kind: Kind,
  ): Promise<Extract<CoordinatorReply, { kind: Kind }>> {
    this.#child.send(request)
    return replyOf(this.#child, kind)
  }
}

async function replyOf<Kind extends CoordinatorReply['kind']>(
  child: ChildProcess,
  kind: Kind,
): Promise<Extract<CoordinatorReply, { kind: Kind }>> {
  const over = new AbortController()
  try {
    const ended = once(child, 'exit', { signal: over.signal }).then(() => {
      throw new ConvoyError('environment', 'the coordinator of the benchmark ended; its last lines are above')
    })
    const [reply] = (await Promise.race([once(child, 'message', { signal: over.signal }), ended])) as [CoordinatorReply]
    if (reply.kind === kind) return reply as Extract<CoordinatorReply, { kind: Kind }>
    throw new ConvoyError('environment', reply.kind === 'failed' ? reply.message : `unexpected reply ${reply.kind}`)
  } finally {
    over.abort()
  }
}
