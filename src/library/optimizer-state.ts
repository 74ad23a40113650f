import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { LayersModel } from '@tensorflow/tfjs'
import { encodeOptimizer } from '../exports/optimizer-file.js'
import { OPTIMIZER_FILE } from '../model/own/model-source.js'
import type { ParameterLayout } from '../model/parameter-layout.js'
import { ConvoyError } from '../shared/errors.js'
import type { OptimizerState } from '../training/optimizers/optimizer.js'
import { optimizerVariables, setOptimizerVariables } from './optimizer-variables.js'
import type { CompiledModel } from './read-compiled.js'
import { tensorLike } from './tensor-like.js'

/**
 * Writes what the optimizer of a compiled model remembers into the model's directory, if it has taken a step.
 * @throws ConvoyError('usage') when it is of other weights than the model trains
 */
export async function saveOptimizer(model: LayersModel, compiled: CompiledModel, directory: string): Promise<void> {
  const { steps, variables } = await optimizerVariables(model.optimizer)
  if (steps === 0) return
  const { kind } = compiled.optimizer
  const weights = model.trainableWeights
  const slots = slotsOf(compiled)
  const isFit = variables.every(({ tensor }, at) => tensor.size === weights[at % weights.length]!.read().size)
  if (!isFit || variables.length !== slots.length * weights.length)
    throw new ConvoyError(
      'usage',
      'fit: the optimizer has the state of other weights than the model trains now; call model.compile with a new optimizer.',
    )
  const tensors = Object.keys(compiled.slots).flatMap((vector) =>
    weights.map((weight, at) => {
      const slot = slots.indexOf(vector)
      const values = slot < 0 ? undefined : variables[slot * weights.length + at]!.tensor.dataSync<'float32'>()
      return {
        ...{ name: `${vector}/${weight.originalName}`, shape: weight.read().shape },
        values: values ?? new Float32Array(weight.read().size),
      }
    }),
  )
  writeFileSync(path.join(directory, OPTIMIZER_FILE), encodeOptimizer({ kind, steps, tensors }))
}

/**
 * Gives the optimizer of a compiled model the state that a run ended with, so that `fit` and `model.fit` go on with it.
 * @param steps of the run
 */
export async function setOptimizer(
  { optimizer, trainableWeights }: LayersModel,
  compiled: CompiledModel,
  { vectors, numbers }: OptimizerState,
  { tensors }: ParameterLayout,
  steps: number,
): Promise<void> {
  const places = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  const variables = slotsOf(compiled).flatMap((vector) =>
    trainableWeights.map((weight) => {
      const { offset, size } = places.get(weight.originalName)!
      const tensor = tensorLike(weight.read(), vectors[vector]!.subarray(offset, offset + size))
      return { name: `${weight.name}/${compiled.slots[vector]}`, tensor }
    }),
  )
  const nextBeta1Power = (numbers['beta1Power'] ?? 0) * Number((optimizer.getConfig() as { beta1?: number }).beta1)
  await setOptimizerVariables(optimizer, { steps: optimizer.iterations + steps, variables }, nextBeta1Power)
}

/** The vectors that TensorFlow.js has variables for. */
function slotsOf({ slots }: CompiledModel): string[] {
  return Object.keys(slots).filter((vector) => slots[vector] !== undefined)
}
