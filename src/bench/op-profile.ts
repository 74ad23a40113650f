import { createEngine } from '../tensorflow/engine/create-engine.js'
import type { EngineOptions } from '../tensorflow/engine/engine.js'
import { nativeBackend } from '../tensorflow/engine/native-backend.js'
import { loadTensorflow } from '../tensorflow/runtime/load-tensorflow.js'
import { initialWeights } from '../model/initial-weights.js'
import { imageShapeOf } from '../model/parameter-layout.js'

export interface OpTime {
  readonly op: string
  readonly calls: number
  /** Of one gradient, all calls together. */
  readonly milliseconds: number
}

const WARM_UPS = 2

/**
 * Measures the time of each op in a gradient. Every op is timed at its call into the addon, where it runs eagerly and alone, on the CPU.
 * The captured graph runs the same kernels without these calls.
 * @param repeats gradients that are averaged
 * @returns the ops of one shard, longest time first
 */
export async function profileOps(options: EngineOptions, repeats: number): Promise<OpTime[]> {
  const backend = nativeBackend(loadTensorflow().tf)
  const native = backend.binding
  const times = new Map<string, { calls: number; milliseconds: number }>()
  const { height, width, channels } = imageShapeOf(options.model)
  const { shardSize } = options
  const input = {
    inputs: [Uint8Array.from({ length: shardSize * height * width * channels }, (_, index) => (index * 31) % 256)],
    targets: [Int32Array.from({ length: shardSize }, (_, index) => index % options.model.classCount)],
    // The identity: every output pixel is the input pixel.
    transforms: Float32Array.from({ length: shardSize * 8 }, (_, index) => Number([0, 4].includes(index % 8))),
    dropoutKey: [1, 2] as const,
  }
  const properties = Object.fromEntries(
    Object.getOwnPropertyNames(native).map((name) => [name, Reflect.get(native, name) as unknown]),
  )
  backend.binding = {
    ...(properties as unknown as typeof native),
    executeOp: (op, attributes, inputs, outputCount) => {
      const startedMs = performance.now()
      const outputs = native.executeOp(op, attributes, inputs, outputCount)
      const { calls, milliseconds } = times.get(op) ?? { calls: 0, milliseconds: 0 }
      times.set(op, { calls: calls + 1, milliseconds: milliseconds + performance.now() - startedMs })
      return outputs
    },
  }
  try {
    for (let repeat = 0; repeat < WARM_UPS + repeats; repeat++) {
      if (repeat === WARM_UPS) times.clear()
      // The first gradient of an engine is recorded, so it runs op by op.
      const engine = await createEngine({ ...options, precision: 'float32' })
      engine.setWeights(initialWeights(options.model.layout, 1))
      engine.gradient(input)
      engine.close()
    }
  } finally {
    backend.binding = native
  }
  return [...times]
    .map(([op, { calls, milliseconds }]) => ({ op, calls: calls / repeats, milliseconds: milliseconds / repeats }))
    .toSorted((a, b) => b.milliseconds - a.milliseconds)
}
