import type { Scalar, Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs'
import { BINS } from '../../model/objectives/binary-measures.js'
import { hasTop, TOP } from '../../model/objectives/class-measures.js'
import type { NumberLoss, Objective } from '../../model/objectives/objective.js'
import { BUILT_IN_LOSSES } from '../../model/objectives/objective.js'
import type { CustomCode, SampleFunction } from '../../model/own/custom-code.js'
import type { ModelDescription } from '../../model/parameter-layout.js'
import { objectivesOf } from '../../model/parameter-layout.js'
import { ConvoyError } from '../../shared/errors.js'
import { counted } from '../../shared/units.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'
import type { FusedOps } from './fused-ops.js'

/**
 * What a network's outputs are compared with, and how. Targets are those of each output, as they are uploaded: labels, int32 `[samples]`, or
 * numbers, float32 `[samples, numbers]`. Sums are over the samples of a shard.
 */
export interface ObjectiveOps {
  /** @param weights float32 `[samples]`; undefined: 1 */
  trainingLoss(outputs: readonly Tensor[], targets: readonly Tensor[], weights: Tensor | undefined): Scalar
  /** One number for each of stepMeasures. */
  measures(outputs: readonly Tensor[], targets: readonly Tensor[]): Scalar[]
  /** float32, `[evaluationLength(model)]` */
  evaluation(outputs: readonly Tensor[], targets: readonly Tensor[]): Tensor1D
  /** Probabilities of classes and of yes, or numbers, of all outputs: `[samples, numbers]`. */
  prediction(outputs: readonly Tensor[]): Tensor
}

/** The same of one output. */
interface OutputOps {
  /** With what training changes in the targets. @returns `[samples]` */
  trainingLoss(output: Tensor, target: Tensor): Tensor
  /** @returns `[samples]` */
  loss(output: Tensor, target: Tensor): Tensor
  /** The number of correct predictions, or the absolute error, a mean over the numbers. */
  quality(output: Tensor, target: Tensor): Scalar
  /** What the measures of an evaluation are made of. */
  sums(output: Tensor, target: Tensor): Tensor1D
  prediction(output: Tensor): Tensor
}

export function objectiveOps(
  tf: TensorFlow,
  ops: FusedOps,
  model: ModelDescription,
  labelSmoothing: number,
  custom?: CustomCode,
): ObjectiveOps {
  const objectives = objectivesOf(model)
  const areSeveral = objectives.length > 1
  const each = objectives.map((objective) =>
    withCustom(tf, outputOps(tf, ops, objective, labelSmoothing), objective, custom),
  )
  const weighted = (loss: Scalar, index: number): Scalar => {
    const { weight = 1 } = objectives[index]!
    return weight === 1 ? loss : tf.mul(loss, weight)
  }
  const total = (losses: Scalar[]): Scalar => losses.map(weighted).reduce((sum, loss) => tf.add(sum, loss))
  return {
    trainingLoss: (outputs, targets, weights) =>
      total(
        each.map((one, index) => {
          const losses = one.trainingLoss(outputs[index]!, targets[index]!)
          return (weights === undefined ? losses : tf.mul(losses, weights)).sum()
        }),
      ),
    measures: (outputs, targets) =>
      each.flatMap((one, index) => {
        const [output, target] = [outputs[index]!, targets[index]!]
        return [...(areSeveral ? [one.loss(output, target).sum<Scalar>()] : []), one.quality(output, target)]
      }),
    evaluation: (outputs, targets) => {
      const losses = each.map((one, index) => one.loss(outputs[index]!, targets[index]!).sum<Scalar>())
      const sums = each.flatMap((one, index) => [
        one.sums(outputs[index]!, targets[index]!),
        ...(areSeveral ? [losses[index]!.flatten()] : []),
      ])
      return tf.concat1d([...sums, total(losses).flatten()])
    },
    prediction: (outputs) => {
      const predictions = each.map((one, index) => one.prediction(outputs[index]!))
      return predictions.length === 1 ? predictions[0]! : tf.concat(predictions, 1)
    },
  }
}

/** The loss and the metrics of the user's code, where an output has them. */
function withCustom(tf: TensorFlow, own: OutputOps, objective: Objective, custom?: CustomCode): OutputOps {
  const { name, kind, loss, size, metrics = [] } = objective
  const ofSamples =
    (compute: SampleFunction) =>
    (output: Tensor, target: Tensor): Tensor => {
      const wanted = kind === 'classes' ? tf.oneHot(target, size).cast('float32') : target
      const values = compute(wanted, output.reshape(wanted.shape))
      const [count] = wanted.shape as [number]
      if (values.shape[0] !== count)
        throw new ConvoyError(
          'usage',
          `A custom loss or metric of ${name} returns the shape ${values.shape.join(' x ')} for ${counted(count, 'sample')}; return a value for each.`,
        )
      return values.rank === 1 ? values : tf.mean(values.reshape([count, -1]), 1)
    }
  const functions = metrics.map((metric) => {
    const found = custom?.metrics[metric]
    return ofSamples(functionOf(typeof found === 'function' ? found : found?.[name], metric))
  })
  const sums = (output: Tensor, target: Tensor): Tensor1D => {
    const measured = functions.map((metric) => metric(output, target).sum().flatten() as Tensor1D)
    const all = own.sums(output, target)
    return measured.length === 0 ? all : tf.concat1d([all, ...measured])
  }
  if (BUILT_IN_LOSSES.includes(loss)) return { ...own, sums }
  const lossOf = ofSamples(functionOf(custom?.losses[loss], loss))
  // A custom loss gets what the model gives, with the last activation.
  const prediction = (output: Tensor): Tensor => output.reshape([-1, size])
  return { ...own, sums, prediction, loss: lossOf, trainingLoss: lossOf }
}

function functionOf(found: SampleFunction | undefined, name: string): SampleFunction {
  if (found !== undefined) return found
  throw new ConvoyError('incompatible', `The custom code has no ${name}.`)
}

function outputOps(tf: TensorFlow, ops: FusedOps, objective: Objective, labelSmoothing: number): OutputOps {
  switch (objective.kind) {
    case 'classes':
      return classOps(tf, ops, objective, labelSmoothing)
    case 'binary':
      return binaryOps(tf, objective)
    case 'numbers':
      return numberOps(tf, objective)
  }
}

/** Outputs are logits. */
function classOps(tf: TensorFlow, ops: FusedOps, objective: Objective, labelSmoothing: number): OutputOps {
  const { size } = objective
  const oneHot = (labels: Tensor): Tensor2D => tf.oneHot(labels, size).cast('float32') as Tensor2D
  return {
    trainingLoss: (logits, labels) => {
      const smoothed = tf.add(oneHot(labels).mul(1 - labelSmoothing), labelSmoothing / size) as Tensor2D
      return ops.crossEntropy(logits as Tensor2D, smoothed)
    },
    loss: (logits, labels) => ops.crossEntropy(logits as Tensor2D, oneHot(labels)),
    quality: (logits, labels) => tf.equal(logits.argMax(1), labels).cast('float32').sum(),
    sums: (logits, labels) => {
      const targets = oneHot(labels)
      const predictions = tf.oneHot(logits.argMax(1), size).cast('float32')
      const confusion = tf.matMul(targets, predictions as Tensor2D, true).flatten()
      if (!hasTop(objective)) return confusion as Tensor1D
      const ofLabel = tf.sum(tf.mul(logits, targets), 1, true)
      const before = tf.sum(tf.greater(logits, ofLabel).cast('float32'), 1)
      return tf.concat1d([confusion as Tensor1D, tf.less(before, TOP).cast('float32').sum().flatten()])
    },
    prediction: (logits) => tf.softmax(logits),
  }
}

/** Targets are 0 to 1, outputs are logits. */
function binaryOps(tf: TensorFlow, { size }: Objective): OutputOps {
  const isYes = (values: Tensor): Tensor => tf.greaterEqual(values, 0.5).cast('float32')
  const loss = (output: Tensor, targets: Tensor): Tensor =>
    tf.mean(sigmoidCrossEntropy(tf, output.reshape(targets.shape), targets), -1)
  return {
    trainingLoss: loss,
    loss,
    quality: (output, targets) => {
      const predicted = isYes(tf.sigmoid(output.reshape(targets.shape)))
      return tf.mean(tf.equal(predicted, isYes(targets)).cast('float32'), -1).sum()
    },
    sums: (output, targets) => {
      const probabilities = tf.sigmoid(output.reshape(targets.shape))
      const bins = tf.minimum(tf.floor(tf.mul(probabilities, BINS)), BINS - 1).cast('int32')
      const counted = tf.oneHot(bins, BINS).cast('float32')
      const yes = isYes(targets).expandDims(-1)
      const ofYes = tf.sum(tf.mul(counted, yes), 0)
      const ofNo = tf.sum(tf.mul(counted, tf.sub(1, yes)), 0)
      return tf.stack([ofNo, ofYes], 1).reshape([2 * BINS * size])
    },
    prediction: (output) => tf.sigmoid(output.reshape([-1, size])),
  }
}

/** Of each logit x and target t: max(x, 0) - x t + log(1 + exp(-|x|)), which does not overflow. Its gradient is sigmoid(x) - t, at 0 too. */
function sigmoidCrossEntropy(tf: TensorFlow, logits: Tensor, targets: Tensor): Tensor {
  return tf.customGrad((logitsIn, save) => {
    const x = logitsIn as Tensor
    ;(save as (tensors: Tensor[]) => void)([x, targets])
    const value = tf.add(tf.sub(tf.relu(x), tf.mul(x, targets)), tf.log1p(tf.exp(tf.neg(tf.abs(x)))))
    const gradFunc = (dy: Tensor, [xIn, t]: Tensor[]): Tensor => tf.mul(dy, tf.sub(tf.sigmoid(xIn!), t!))
    return { value, gradFunc }
  })(logits)
}

function numberOps(tf: TensorFlow, { loss, size, targetMeans }: Objective): OutputOps {
  const errorOf = (output: Tensor, targets: Tensor): Tensor => tf.sub(output.reshape(targets.shape), targets)
  const lossOf = (output: Tensor, targets: Tensor): Tensor =>
    tf.mean(NUMBER_LOSS_OPS[loss as keyof typeof NUMBER_LOSS_OPS](tf, errorOf(output, targets)), -1)
  return {
    trainingLoss: lossOf,
    loss: lossOf,
    quality: (output, targets) => tf.mean(tf.abs(errorOf(output, targets)), -1).sum(),
    sums: (output, targets) => {
      const error = errorOf(output, targets)
      const shift = tf.sub(targets, tf.tensor1d([...targetMeans!]))
      const sums = [tf.abs(error), tf.square(error), shift, tf.square(shift)].map((values) => tf.sum(values, 0))
      return tf.stack(sums, 1).flatten()
    },
    prediction: (output) => output.reshape([-1, size]),
  }
}

/** Of each number's error, prediction minus target. */
const NUMBER_LOSS_OPS: Readonly<
  Record<Exclude<NumberLoss, 'binaryCrossentropy'>, (tf: TensorFlow, error: Tensor) => Tensor>
> = {
  meanSquaredError: (tf, error) => tf.square(error),
  meanAbsoluteError: (tf, error) => tf.abs(error),
  // Huber 1964 with delta 1: half the square up to 1, linear beyond.
  huberLoss: (tf, error) => {
    const size = tf.abs(error)
    const near = tf.minimum(size, 1)
    return tf.add(tf.mul(tf.square(near), 0.5), tf.sub(size, near))
  },
}
