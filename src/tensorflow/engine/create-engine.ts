import type { Tensor } from '@tensorflow/tfjs'
import { ConvoyError } from '../../shared/errors.js'
import type { Captured } from '../capture/capture.js'
import { capture } from '../capture/capture.js'
import type { Engine, EngineOptions, EvaluationInput, GradientInput } from './engine.js'
import { FusedOps } from './fused-ops.js'
import { activationStep, evaluationStep, predictionStep } from '../inference/inference.js'
import { uploadBytes, nativeBackend } from './native-backend.js'
import { Network } from './network.js'
import { describeDevice, hasBfloat16 } from '../runtime/describe-device.js'
import { loadTensorflow } from '../runtime/load-tensorflow.js'
import { trainingStep } from './training-step.js'

/** A pure function of tensors, weights first, to one vector. */
type Step = (...inputs: Tensor[]) => Tensor[]

/** Graphs kept for batch sizes of evaluation and prediction: the full shard and the last one. */
const MAX_GRAPHS = 4

/**
 * Builds the network and prepares its steps. Each step is captured as a graph when it first runs.
 * @throws ConvoyError('environment') without a native runtime, ConvoyError('incompatible') for a model that it cannot build
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const loaded = loadTensorflow()
  const { tf } = loaded
  const backend = nativeBackend(tf)
  const { model, precision } = options
  if (precision === 'bfloat16' && !hasBfloat16(loaded)) {
    throw new ConvoyError(
      'incompatible',
      `${describeDevice(loaded).name} has no instructions for bfloat16 and would be slower with it; use another machine, or train with \`convoy train --precision float32\`.`,
    )
  }
  const [height, width, channel] = model.inputShape
  const ops = new FusedOps(tf)
  const network = await Network.build(tf, model, ops)
  const train = trainingStep(tf, ops, network, options)
  const evaluate = evaluationStep(tf, ops, network, model)
  const predict = predictionStep(tf, ops, network)
  const graphs = new Map<string, Captured<Step>>()
  let weights: Tensor | undefined

  /** Runs a step's graph, recorded at its first run. @returns the values of its only output */
  function run(name: string, step: Step, inputs: Tensor[]): Float32Array<ArrayBuffer> {
    if (weights === undefined) throw new ConvoyError('internal', `${name} before any weights`)
    const all = [weights, ...inputs]
    let graph = graphs.get(name)
    if (graph === undefined) {
      if (graphs.size === MAX_GRAPHS) forgetOldest(graphs)
      graph = capture(step, all, { tf, precision })
      graphs.set(name, graph)
    }
    const [output] = graph(...all) as [Tensor]
    const values = output.dataSync<'float32'>()
    tf.dispose([output, ...inputs])
    return values as Float32Array<ArrayBuffer>
  }

  const upload = (pixels: Uint8Array): Tensor => {
    const count = pixels.length / (height * width * channel)
    return uploadBytes(backend, pixels, [count, height, width, channel])
  }

  return {
    device: describeDevice(loaded),
    setWeights: (values: Float32Array) => {
      weights?.dispose()
      weights = tf.tensor1d(values)
      // TensorFlow.js uploads a tensor at its first use; the caller may overwrite the values before that.
      backend.getInputTensorIds([weights])
    },
    gradient: ({ pixels, labels, transforms, dropoutKey }: GradientInput) =>
      run('train', train, [
        upload(pixels),
        tf.tensor1d(labels, 'int32'),
        tf.tensor2d(transforms, [labels.length, 8]),
        tf.tensor1d(Int32Array.from(dropoutKey), 'int32'),
      ]),
    evaluate: ({ pixels, labels }: EvaluationInput) =>
      run(`evaluate ${labels.length}`, evaluate, [upload(pixels), tf.tensor1d(labels, 'int32')]),
    predict: (pixels: Uint8Array) => {
      const input = upload(pixels)
      return run(`predict ${input.shape[0]}`, predict, [input])
    },
    activations: (pixels: Uint8Array, layers: readonly string[]) => {
      const input = upload(pixels)
      const count = pixels.length / (height * width * channel)
      const all = run(`activations ${count} ${layers.join()}`, activationStep(tf, ops, network, layers), [input])
      let offset = 0
      return layers.map((layer) => {
        const shape = network.outputShape(layer)
        const size = shape.reduce((product, length) => product * length, count)
        offset += size
        return { shape, values: all.subarray(offset - size, offset) }
      })
    },
    tensorCount: () => tf.memory().numTensors,
    tensorBytes: () => tf.memory().numBytes,
    close: () => {
      for (const graph of graphs.values()) graph.dispose()
      graphs.clear()
      weights?.dispose()
      weights = undefined
    },
  }
}

function forgetOldest(graphs: Map<string, Captured<Step>>): void {
  const [name, graph] = graphs.entries().next().value!
  graph.dispose()
  graphs.delete(name)
}
