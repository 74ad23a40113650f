import type { Tensor } from '@tensorflow/tfjs'
import { ConvoyError } from '../../shared/errors.js'
import type { Captured } from '../capture/capture.js'
import { capture } from '../capture/capture.js'
import type { InputValues, Samples } from '../../data/sampling/gather-samples.js'
import type { CustomCode } from '../../model/own/custom-code.js'
import type { Engine, EngineOptions, GradientInput } from './engine.js'
import { FusedOps } from './fused-ops.js'
import { activationStep, evaluationStep, predictionStep } from '../inference/inference.js'
import { nativeBackend } from './native-backend.js'
import { Network } from './network.js'
import { uploadInputs } from './network-inputs.js'
import { objectiveOps } from './objective-ops.js'
import { objectivesOf } from '../../model/parameter-layout.js'
import { describeDevice, hasBfloat16 } from '../runtime/describe-device.js'
import { loadTensorflow } from '../runtime/load-tensorflow.js'
import { trainingStep } from './training-step.js'

/** A pure function of tensors, weights first, to one vector. */
type Step = (...inputs: Tensor[]) => Tensor[]

/** Graphs kept for batch sizes of evaluation and prediction: the full shard and the last one. */
const MAX_GRAPHS = 4

/** What a model may have that is not in its description. */
export interface EngineParts {
  /** Values of the frozen weights; copied. */
  readonly frozen?: Float32Array | undefined
  /** For this process's TensorFlow. */
  readonly custom?: CustomCode | undefined
}

/**
 * Builds the network and prepares its steps.
 * @param parts what the model has besides its description
 * Each step is captured as a graph when it first runs.
 * @throws ConvoyError('environment') without a native runtime, ConvoyError('incompatible') for a model that it cannot build
 */
export async function createEngine(options: EngineOptions, { frozen, custom }: EngineParts = {}): Promise<Engine> {
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
  const objective = objectiveOps(tf, ops, model, options.labelSmoothing, custom)
  const parts = { tf, ops, network, model, objective }
  const train = trainingStep(parts, options)
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
  const objectives = objectivesOf(model)
  const uploadTargets = (targets: Samples['targets']): Tensor[] =>
    targets.map((values, index) => {
      const objective = objectives[index]!
      return objective.kind === 'classes'
        ? tf.tensor1d(values, 'int32')
        : tf.tensor2d(values, [values.length / objective.size, objective.size])
    })

  return {
    device: describeDevice(loaded),
    setWeights: (values: Float32Array) => {
      weights?.dispose()
      weights = tf.tensor1d(values)
      // TensorFlow.js uploads a tensor at its first use; the caller may overwrite the values before that.
      backend.getInputTensorIds([weights])
    },
    gradient: ({ inputs, targets, weights: sampleWeights, transforms, dropoutKey }: GradientInput) =>
      run('train', train, [
        tf.tensor2d(transforms, [transforms.length / 8, 8]),
        tf.tensor1d(Int32Array.from(dropoutKey), 'int32'),
        ...(sampleWeights ? [tf.tensor1d(sampleWeights)] : []),
        ...uploadTargets(targets),
        ...upload(inputs),
      ]),
    evaluate: ({ inputs, targets }: Samples) => {
      const uploaded = upload(inputs)
      return run(`evaluate ${uploaded[0]!.shape[0]}`, evaluate, [...uploadTargets(targets), ...uploaded])
    },
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
