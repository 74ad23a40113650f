import { z } from 'zod'
import { ConvoyError } from '../shared/errors.js'
import { MAX_JSON_BYTES, readTextIfThere } from '../shared/read-file.js'

/** Milliseconds that one vector of weights and one result cost over one path, between a coordinator or relay and one of its members. */
export interface PathCosts {
  /** The thread of the coordinator or relay works: sending lease and weights. It does so for one member after the other. */
  readonly sendMs: number
  /** Likewise: receiving the result, without checking and adding it. */
  readonly receiveMs: number
  /** What a member waits for beside {@link sendMs}: all members do so at the same time. */
  readonly downMs: number
  /** What a result takes beside {@link receiveMs}: likewise. */
  readonly upMs: number
}

/** Costs of vectors of one size. */
export interface ExchangeCosts {
  readonly memory: PathCosts
  readonly network: PathCosts
  /** Copying a vector in memory. */
  readonly copyMs: number
}

/** What was measured of vectors of some size. */
interface MeasuredSize extends ExchangeCosts {
  readonly bytes: number
}

const milliseconds = z.number().min(0).max(3_600_000)

const rowSchema = z.object({
  workers: z.int().positive(),
  path: z.enum(['memory', 'network']),
  /** Of a link; 0: none. */
  delayMs: milliseconds.default(0),
  relays: z.int().min(0).default(0),
  /** Of results. */
  wire: z.string().default('float32'),
  busy: z.object({ sendMs: milliseconds, receiveMs: milliseconds }).optional(),
  timeline: z
    .object({ lease: milliseconds, weights: milliseconds, result: milliseconds, read: milliseconds })
    .optional(),
})

const fileSchema = z.object({
  sizes: z
    .array(
      z.object({
        weights: z.int().positive(),
        rows: z.array(rowSchema).max(1_000),
        baselines: z.array(
          z.object({ name: z.string(), perSecond: z.array(z.number().positive()).min(1).max(10_000) }),
        ),
      }),
    )
    .max(1_000),
})

type Row = z.output<typeof rowSchema>

const REMEDY =
  'make it with `npx convoy bench exchange --workers 1 --megabytes 1.1,44.8 --json`: one worker, both paths, two sizes at least, no links, no relays, results in float32'

/**
 * What `convoy bench exchange --json` measured with one worker that joined the coordinator without a link or a relay, with results in float32.
 * @returns the costs of a vector of so many bytes: linear between two sizes, and beyond them
 * @throws ConvoyError('usage') when it has not both paths for one such worker, or fewer than two sizes
 */
export function readExchange(file: string): (bytes: number) => ExchangeCosts {
  const problem = (what: string, cause?: unknown): ConvoyError =>
    new ConvoyError('usage', `--exchange ${file}: ${what}; ${REMEDY}`, { cause })
  const text = readTextIfThere(file, MAX_JSON_BYTES) ?? ''
  let sizes: MeasuredSize[]
  try {
    const { sizes: all } = fileSchema.parse(JSON.parse(text))
    sizes = all.flatMap(({ weights, rows, baselines }) => {
      const [memory, network] = (['memory', 'network'] as const).map((path) => costsOf(rows, path))
      const copy = baselines.find(({ name }) => name === 'a copy in memory')
      if (memory === undefined || network === undefined || copy === undefined) return []
      return [{ bytes: 4 * weights, memory, network, copyMs: 1000 / middle(copy.perSecond) }]
    })
  } catch (error) {
    throw problem('there are no measurements of the exchange', error)
  }
  sizes.sort((a, b) => a.bytes - b.bytes)
  if (new Set(sizes.map(({ bytes }) => bytes)).size < 2) throw problem('there are fewer than two sizes of one worker')
  return (bytes) => costsAt(sizes, bytes)
}

/** For what nobody measured: a message takes 0.2 ms, and a byte 1 ns at each end of a network connection and 0.25 ns in a copy. */
export function guessedExchange(bytes: number): ExchangeCosts {
  const end = 0.2 + bytes / 1e6
  const [memory, network] = [0.2, end].map((ms) => ({ sendMs: ms, receiveMs: ms, downMs: ms, upMs: ms }))
  return { memory: memory!, network: network!, copyMs: bytes / 4e6 }
}

function costsOf(rows: readonly Row[], path: Row['path']): PathCosts | undefined {
  const isPlain = ({ workers, delayMs, relays, wire }: Row): boolean =>
    workers === 1 && delayMs === 0 && relays === 0 && wire === 'float32'
  const row = rows.find((one) => isPlain(one) && one.path === path)
  if (row?.busy === undefined || row.timeline === undefined) return undefined
  const { lease, weights, result, read } = row.timeline
  // The thread also works while the worker computes, and nobody waits for that.
  const sendMs = Math.min(row.busy.sendMs, lease + weights)
  const receiveMs = Math.min(row.busy.receiveMs, read)
  return { sendMs, receiveMs, downMs: lease + weights - sendMs, upMs: result + read - receiveMs }
}

function costsAt(sizes: readonly MeasuredSize[], bytes: number): ExchangeCosts {
  const above = Math.min(
    sizes.length - 1,
    Math.max(
      1,
      sizes.findIndex((size) => size.bytes >= bytes),
    ),
  )
  const index = bytes > sizes.at(-1)!.bytes ? sizes.length - 1 : above
  const [low, high] = [sizes[index - 1]!, sizes[index]!]
  const share = (bytes - low.bytes) / (high.bytes - low.bytes)
  const at = (of: (costs: ExchangeCosts) => number): number => Math.max(0, of(low) + share * (of(high) - of(low)))
  const path = (name: 'memory' | 'network'): PathCosts => ({
    sendMs: at((costs) => costs[name].sendMs),
    receiveMs: at((costs) => costs[name].receiveMs),
    downMs: at((costs) => costs[name].downMs),
    upMs: at((costs) => costs[name].upMs),
  })
  return { memory: path('memory'), network: path('network'), copyMs: at((costs) => costs.copyMs) }
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!
}
