import type { Tensor } from '@tensorflow/tfjs'
import { ConvoyError } from '../../shared/errors.js'
import type { Captured } from '../capture/capture.js'
import { capture } from '../capture/capture.js'
import type { InputValues, Samples } from '../../data/sampling/gather-samples.js'
import type { Engine, EngineOptions, GradientInput } from './engine.js'
import { FusedOps } from './fused-ops.js'
import { activationStep, evaluationStep, predictionStep } from '../inference/inference.js'
import { nativeBackend } from './native-backend.js'
import { Network } from './network.js'
import { uploadInputs } from './network-inputs.js'
import { objectiveOps } from './objective-ops.js'
import { describeDevice, hasBfloat16 } from '../runtime/describe-device.js'
import { loadTensorflow } from '../runtime/load-tensorflow.js'
import { trainingStep } from './training-step.js'

/** A pure function of tensors, weights first, to one vector. */
type Step = (...inputs: Tensor[]) => Tensor[]

/** Graphs kept for batch sizes of evaluation and prediction: the full shard and the last one. */
const MAX_GRAPHS = 4

/**
 * Builds the network and prepares its steps.
 * @param frozen values of the model's frozen weights, if it has any; copied
 * Each step is captured as a graph when it first runs.
 * @throws ConvoyError('environment') without a native runtime, ConvoyError('incompatible') for a model that it cannot build
 */
export async function createEngine(options: EngineOptions, frozen?: Float32Array): Promise<Engine> {
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
  const ops = new FusedOps(tf)
  const network = await Network.build(tf, model, ops)
  if (model.frozen) {
    if (frozen === undefined) throw new ConvoyError('internal', 'the frozen weights of the model are missing')
    tf.tidy(() => {
      network.setFrozen(tf.tensor1d(frozen))
    })
  }
  const train = trainingStep(tf, ops, network, options)
  const parts = { tf, ops, network, model, objective: objectiveOps(tf, ops, model, options.labelSmoothing) }
  const evaluate = evaluationStep(parts)
  const predict = predictionStep(parts)
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

  const upload = (inputs: readonly InputValues[]): Tensor[] => uploadInputs(tf, model, inputs)
  const uploadTargets = (targets: Samples['targets']): Tensor =>
    model.objective === undefined
      ? tf.tensor1d(targets, 'int32')
      : tf.tensor2d(targets, [targets.length / model.objective.targetMeans.length, model.objective.targetMeans.length])

  return {
    device: describeDevice(loaded),
    setWeights: (values: Float32Array) => {
      weights?.dispose()
      weights = tf.tensor1d(values)
      // TensorFlow.js uploads a tensor at its first use; the caller may overwrite the values before that.
      backend.getInputTensorIds([weights])
    },
    gradient: ({ inputs, targets, transforms, dropoutKey }: GradientInput) =>
      run('train', train, [
        uploadTargets(targets),
        tf.tensor2d(transforms, [transforms.length / 8, 8]),
        tf.tensor1d(Int32Array.from(dropoutKey), 'int32'),
        ...upload(inputs),
      ]),
    evaluate: ({ inputs, targets }: Samples) =>
      run(`evaluate ${targets.length}`, evaluate, [uploadTargets(targets), ...upload(inputs)]),
    predict: (values: readonly InputValues[]) => {
      const inputs = upload(values)
      return run(`predict ${inputs[0]!.shape[0]}`, predict, inputs)
    },
    activations: (values: readonly InputValues[], layers: readonly string[]) => {
      const inputs = upload(values)
      const count = inputs[0]!.shape[0]!
      const all = run(`activations ${count} ${layers.join()}`, activationStep(parts, layers), inputs)
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
      network.dispose()
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
