import type { Tensor } from '@tensorflow/tfjs'
import { ConvoyError } from '../../shared/errors.js'
import type { Precision } from '../../model/config/run-config.js'
import { nativeBackend } from '../engine/native-backend.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'
import { loadTensorflow } from '../runtime/load-tensorflow.js'
import { withProducts } from './filter-gradients.js'
import { GraphSession } from './graph-session.js'
import { toBfloat16 } from './mixed-precision.js'
import { record } from './recording.js'
import { withoutTransposes } from './transposes.js'

/** Of {@link capture}. */
export interface CaptureOptions {
  /** bfloat16: in convolutions and what lies between them, see mixed-precision.ts. @default 'float32': the function's own bits, on the CPU (docs/explanation/engine.md has an exception) */
  readonly precision?: Precision
  /** The TensorFlow.js that the function uses. @default Convoy's, from `loadTensorflow` */
  readonly tf?: TensorFlow
}

/** What {@link capture} takes. */
export type Capturable = (...inputs: never[]) => Tensor | Tensor[] | Record<string, Tensor>

/**
 * A function with the signature and results of the captured one.
 * @throws ConvoyError('usage') for inputs of other shapes or types than the example's, and after dispose()
 */
export type Captured<Fn extends Capturable> = ((...inputs: Parameters<Fn>) => ReturnType<Fn>) & {
  /** Nodes of the graph. */
  readonly nodeCount: number
  /** Frees graph and session. */
  dispose(): void
}

/**
 * Makes one TensorFlow graph of a function: `tf.function` for TensorFlow.js. The function runs once, every native op is
 * recorded, and from then on the recording runs, in about half the time.
 *
 * The function has to be pure: decisions in its JavaScript are made once. Variables that it reads, such as those of a LayersModel, are read
 * again in each run; tensors that it makes from JavaScript values are constants.
 *
 * @param fn returns a tensor, an array of tensors or an object of tensors
 * @param exampleInputs give the shapes and types; not disposed
 * @returns a function of the same signature; its outputs belong to the caller
 * @throws ConvoyError('usage') naming the op and the line, for code that cannot be captured: reading values inside, tensors from
 *   outside that are neither inputs nor variables, random ops without a key, assignments to variables, attributes that the
 *   graph does not hold
 */
export function capture<Fn extends Capturable>(
  fn: Fn,
  exampleInputs: Parameters<Fn>,
  options: CaptureOptions = {},
): Captured<Fn> {
  const tf = options.tf ?? loadTensorflow().tf
  const backend = nativeBackend(tf)
  const given = exampleInputs as readonly Tensor[]
  // Tensors are identified by their data. A tensor that is given twice, or is also a variable, needs data of its own.
  const examples = given.map((example, index) =>
    given.indexOf(example) < index || example instanceof tf.Variable ? copyOf(example) : example,
  )
  let keys: string[] | 'one' | 'list' = 'list'
  const { graph, variables, outputs } = record(
    tf,
    backend,
    () => {
      const returned = fn(...(examples as never as Parameters<Fn>))
      if (returned instanceof tf.Tensor) {
        keys = 'one'
        return [returned]
      }
      if (!Array.isArray(returned)) keys = Object.keys(returned)
      const tensors = Object.values(returned)
      if (tensors.length > 0 && tensors.every((tensor) => tensor instanceof tf.Tensor)) return tensors
      throw new ConvoyError(
        'usage',
        'Cannot capture: the function has to return a tensor, an array or an object of tensors, and may not be async.',
      )
    },
    examples,
  )
  // A function may return one of its inputs.
  tf.dispose([...outputs, ...examples].filter((tensor) => !given.includes(tensor)))
  const expected = given.map(signature)
  const lean = withoutTransposes(graph)
  const lowered = options.precision === 'bfloat16' ? withProducts(toBfloat16(lean)) : lean
  let session: GraphSession | undefined = new GraphSession(backend.binding, lowered)

  const run = (...inputs: readonly Tensor[]): unknown => {
    if (session === undefined) throw new ConvoyError('usage', 'A captured function was called after its dispose().')
    if (inputs.length !== expected.length || inputs.some((input, index) => signature(input) !== expected[index])) {
      throw new ConvoyError(
        'usage',
        `A captured function takes (${expected.join(', ')}) and got (${inputs.map(signature).join(', ')}); capture it again for these.`,
      )
    }
    const ids = backend.getInputTensorIds([...inputs, ...variables])
    const results = session.run(ids).map((output) => backend.createOutputTensor(output))
    if (keys === 'one') return results[0]
    return keys === 'list' ? results : Object.fromEntries((keys as string[]).map((key, index) => [key, results[index]]))
  }
  return Object.assign(run as (...inputs: Parameters<Fn>) => ReturnType<Fn>, {
    nodeCount: lowered.nodes.length,
    dispose: () => {
      session?.close()
      session = undefined
    },
  })

  function copyOf(tensor: Tensor): Tensor {
    const type = backend.tensorMap.get(tensor.dataId)!.dtype
    return backend.executeSingleOutput(
      'Identity',
      [{ name: 'T', type: backend.binding.TF_ATTR_TYPE, value: type }],
      [tensor],
    )
  }

  /** TensorFlow.js calls a native uint8 int32. */
  function signature({ dataId, dtype, shape }: Tensor): string {
    const isBytes = backend.tensorMap.get(dataId)?.dtype === backend.binding.TF_UINT8
    return `${isBytes ? 'uint8' : dtype}[${shape.join(', ')}]`
  }
}
