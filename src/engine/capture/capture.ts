import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Tensor } from '@tensorflow/tfjs'
import { ConvoyError } from '../../shared/errors.js'
import type { NativeBackend, NativeBinding, TensorValues } from '../native-backend.js'
import { nativeBackend } from '../native-backend.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'
import type { OutputReference } from './graph-writer.js'
import { GraphWriter } from './graph-writer.js'

/** A function of tensors that TensorFlow runs as one graph. */
export interface CapturedFunction {
  /**
   * @param inputs tensors of the example inputs' shapes and dtypes, in their order; not disposed
   * @returns the function's outputs, owned by the caller
   */
  run(inputs: readonly Tensor[]): Tensor[]
  /** Nodes of the graph as recorded. */
  readonly nodeCount: number
  dispose(): void
}

/** Ops whose result changes from run to run: recorded once, they would not mean what they meant eagerly. */
const STATEFUL_RANDOM_OPS =
  /^(RandomUniform(Int)?|RandomStandardNormal|TruncatedNormal|Multinomial|RandomShuffle|RandomGamma)$/

/**
 * Runs a function once, records every native op that it executes and returns the recording as one TensorFlow graph: on the
 * CPU the same bits as the function itself, in about half the time. Inputs become placeholders, uploads constants.
 *
 * @param fn pure function of its tensors; the recorded path is what runs from then on
 * @param exampleInputs give shapes and dtypes; float32, int32, bool, or uint8 made by `uploadBytes`
 * @throws ConvoyError('internal') naming the op, for what cannot be recorded: reading values inside, tensors from outside that
 *   are not inputs, stateful random ops, attributes that GraphDef lacks here
 */
export function capture(
  tf: TensorFlow,
  fn: (...inputs: Tensor[]) => Tensor[],
  exampleInputs: readonly Tensor[],
): CapturedFunction {
  const backend = nativeBackend(tf)
  const { binding } = backend
  const recording = new Recording(backend, exampleInputs)
  let outputs: Tensor[]
  backend.binding = recording.binding
  try {
    outputs = tf.tidy(() => fn(...exampleInputs))
  } finally {
    backend.binding = binding
  }
  const outputNames = outputs.map((output) =>
    withIndex(recording.referenceOf(backend.getInputTensorIds([output])[0]!, 'an output')),
  )
  for (const output of outputs) output.dispose()

  const session = loadGraph(binding, recording.graph.serialise())
  const inputNames = recording.placeholders.map(withIndex).join(',')
  const joinedOutputNames = outputNames.join(',')
  return {
    nodeCount: recording.graph.size,
    run: (inputs) =>
      binding
        .runSavedModel(session, backend.getInputTensorIds(inputs), inputNames, joinedOutputNames)
        .map((output) => backend.createOutputTensor(output)),
    dispose: () => {
      binding.deleteSavedModel(session)
    },
  }
}

/** Watches the native border while a function runs, and writes what crosses it into a graph. */
class Recording {
  readonly graph: GraphWriter
  readonly placeholders: OutputReference[]
  /** Passes every call on and records it. */
  readonly binding: NativeBinding
  readonly #references = new Map<number, OutputReference>()
  readonly #uploads = new Map<number, { shape: number[]; dtype: number; values: TensorValues }>()

  constructor(backend: NativeBackend, inputs: readonly Tensor[]) {
    const native = backend.binding
    this.graph = new GraphWriter(native)
    const ids = backend.getInputTensorIds(inputs)
    this.placeholders = inputs.map((input, index) => {
      const { dtype } = backend.tensorMap.get(input.dataId)!
      const reference = this.graph.placeholder(dtype, input.shape)
      this.#references.set(ids[index]!, reference)
      return reference
    })
    // The addon's own properties are read-only: a plain object with the same properties takes its place.
    const properties = Object.fromEntries(
      Object.getOwnPropertyNames(native).map((name) => [name, native[name as keyof NativeBinding]]),
    )
    this.binding = {
      ...(properties as unknown as NativeBinding),
      createTensor: (shape, dtype, values) => {
        const id = native.createTensor(shape, dtype, values)
        this.#uploads.set(id, { shape, dtype, values })
        return id
      },
      tensorDataSync: () => {
        throw new ConvoyError('internal', 'A captured function reads the value of a tensor (dataSync, data or print).')
      },
      executeOp: (op, attributes, inputIds, outputCount) => {
        if (STATEFUL_RANDOM_OPS.test(op)) {
          throw new ConvoyError(
            'internal',
            `${op} draws new numbers in each run and cannot be captured; use a stateless op.`,
          )
        }
        const references = inputIds.map((id) => this.referenceOf(id, `an input of ${op}`))
        const node = this.graph.operation(op, attributes, references)
        const results = native.executeOp(op, attributes, inputIds, outputCount)
        results.forEach(({ id }, index) => this.#references.set(id, index === 0 ? node : `${node}:${index}`))
        return results
      },
    }
  }

  referenceOf(id: number, what: string): OutputReference {
    const known = this.#references.get(id)
    if (known !== undefined) return known
    const upload = this.#uploads.get(id)
    if (upload === undefined) {
      throw new ConvoyError(
        'internal',
        `A captured function uses a tensor from outside as ${what}; make it one of the inputs.`,
      )
    }
    const constant = this.graph.constant(upload.dtype, upload.shape, upload.values)
    this.#references.set(id, constant)
    return constant
  }
}

function withIndex(reference: OutputReference): string {
  return reference.includes(':') ? reference : `${reference}:0`
}

/** TensorFlow loads graphs from directories only. */
function loadGraph(binding: NativeBinding, savedModel: Uint8Array): number {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-graph-'))
  try {
    writeFileSync(path.join(directory, 'saved_model.pb'), savedModel)
    return binding.loadSavedModel(directory, 'serve')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
