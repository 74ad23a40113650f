import { sizeOf } from '../../data/dataset.js'
import type { InputValues } from '../../data/sampling/gather-samples.js'
import { objectivesOf } from '../../model/parameter-layout.js'
import type { RunDescription } from '../../model/run-description.js'
import type { Engine } from '../engine/engine.js'

/** A class, and how probable it is, 0 to 1. */
export interface ClassProbability {
  readonly name: string
  readonly probability: number
}

/** What an output says of one sample: classes, the most probable first; one number; or several. */
export type OutputPrediction = readonly ClassProbability[] | number | readonly number[]

/** What one output says of all samples. */
export interface PredictedOutput {
  /** Of the target that it learnt; `class` where that is the class alone. */
  readonly name: string
  /** `[samples, numbers]` */
  readonly shape: readonly number[]
  /** Probabilities of classes and of yes, or numbers. */
  readonly values: Float32Array
  /** In the order of the numbers. Absent: they are no classes. */
  readonly classNames?: readonly string[]
}

/**
 * Computes the outputs of a model.
 * @param inputs of whole samples, in the order of the model's inputs
 * @returns in the order of the model's outputs
 */
export function predictSamples(
  engine: Engine,
  { config, model, dataset }: RunDescription,
  inputs: readonly InputValues[],
): PredictedOutput[] {
  const sizes = inputs.map((_, index) => sizeOf(model.inputs?.[index]?.shape ?? model.inputShape))
  const count = inputs[0]!.length / sizes[0]!
  const targets = 'targets' in dataset ? dataset.targets : []
  const outputs = objectivesOf(model).map(({ name, kind, size }) => {
    const classNames = targets.find((target) => target.name === name)?.classNames ?? dataset.classNames
    const shape = [count, size]
    return { name, shape, values: new Float32Array(count * size), ...(kind === 'classes' && { classNames }) }
  })
  for (let first = 0; first < count; first += config.evaluationShardSize) {
    const end = Math.min(count, first + config.evaluationShardSize)
    const predicted = engine.predict(
      inputs.map((values, index) => values.subarray(first * sizes[index]!, end * sizes[index]!)),
    )
    let offset = 0
    for (let sample = first; sample < end; sample++)
      for (const { shape, values } of outputs) {
        const size = shape[1]!
        values.set(predicted.subarray(offset, offset + size), sample * size)
        offset += size
      }
  }
  return outputs
}

/** What an output says of one sample. @param top number of classes */
export function predictionOf(
  { shape, values, classNames }: PredictedOutput,
  sample: number,
  top: number,
): OutputPrediction {
  const size = shape[1]!
  const row = Array.from(values.subarray(sample * size, (sample + 1) * size))
  if (classNames === undefined) return size === 1 ? row[0]! : row
  const classes = row.map((probability, label) => ({ name: classNames[label]!, probability }))
  return classes.sort((a, b) => b.probability - a.probability).slice(0, top)
}
