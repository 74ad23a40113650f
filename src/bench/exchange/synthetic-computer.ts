import { gradientLength } from '../../model/parameter-layout.js'
import { roundedCount } from '../../model/rounded-count.js'
import type { RunDescription } from '../../model/run-description.js'
import { roundToBfloat16 } from '../../shared/bfloat16.js'
import type { OpenedComputer } from '../../worker/serve-leases.js'
import type { WorkerSteps } from './worker-steps.js'

/** Largest size of a value. */
const SCALE = 1e-3

/** The gradient of a shard, the same in every step. */
interface ShardGradient {
  readonly made: Float32Array
  /** What was given away last. It is used again while nobody added to it or took its memory. */
  given: Float32Array<ArrayBuffer>
}

/**
 * Gives each shard a vector that was made once, instead of computing a gradient.
 * @param waitMs of a shard, without work for a processor: as if a GPU computed it
 * @param steps gets the durations of the shards
 */
export function syntheticComputer(description: RunDescription, waitMs: number, steps: WorkerSteps): OpenedComputer {
  const gradients = new Map<number, ShardGradient>()
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  const evaluate = (): never => {
    throw new Error('the benchmark of the exchange evaluates nothing')
  }
  return {
    engine: { setWeights: () => undefined, tensorCount: () => 0, tensorBytes: () => 0, close: () => undefined },
    computer: {
      evaluate,
      gradient: (step, shard) => {
        const startedMs = performance.now()
        if (waitMs > 0) Atomics.wait(sleeper, 0, 0, waitMs)
        const gradient = gradients.get(shard) ?? gradientOf(shard, description)
        gradients.set(shard, gradient)
        if (!isIntact(gradient)) gradient.given = gradient.made.slice()
        steps.computed(step, performance.now() - startedMs)
        return gradient.given
      },
    },
  }
}

function gradientOf(shard: number, description: RunDescription): ShardGradient {
  const made = new Float32Array(gradientLength(description.model.layout))
  for (let index = 0; index < made.length; index++) {
    // Knuth's multiplicative hash: cheap, and no value is zero or as its neighbours.
    const hash = Math.imul(index + 1, 2_654_435_761) ^ Math.imul(shard + 1, 40_503)
    made[index] = SCALE * (((hash >>> 8) + 0.5) / 2 ** 24 - 0.5)
  }
  // A rounding that changes nothing leaves it intact.
  roundToBfloat16(made, roundedCount('WORK_GRADIENT', description))
  return { made, given: made.slice() }
}

/** Additions go over the whole vector, so one value shows them. A vector that was transferred has no length. */
function isIntact({ made, given }: ShardGradient): boolean {
  return given.length === made.length && given[0] === made[0]
}
