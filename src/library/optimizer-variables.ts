import type { Optimizer, Tensor, Variable } from '@tensorflow/tfjs'
import { tensorLike } from './tensor-like.js'

/** The state of an optimizer of TensorFlow.js. */
export interface OptimizerVariables {
  readonly steps: number
  /** Of the first slot one for each weight, then of the second and so on; none before the first step. */
  readonly variables: readonly NamedVariable[]
}

interface NamedVariable {
  readonly name: string
  readonly tensor: Tensor
}

/** What AdamaxOptimizer keeps: its `getWeights` and `setWeights` are not implemented in TensorFlow.js 4. */
interface Adamax {
  accumulatedFirstMoment: OwnVariable[]
  accumulatedWeightedInfNorm: OwnVariable[]
  readonly iteration: Variable
  readonly accBeta1: Variable
  iterations_: number
}

interface OwnVariable {
  readonly originalName: string
  readonly variable: Variable
}

/** The state as it is: no copy. */
export async function optimizerVariables(optimizer: Optimizer): Promise<OptimizerVariables> {
  const steps = optimizer.iterations
  const adamax = asAdamax(optimizer)
  if (adamax !== undefined) {
    const own = [...adamax.accumulatedFirstMoment, ...adamax.accumulatedWeightedInfNorm]
    return { steps, variables: own.map(({ originalName, variable }) => ({ name: originalName, tensor: variable })) }
  }
  const [iterations, ...variables] = await optimizer.getWeights()
  iterations!.tensor.dispose()
  return { steps, variables }
}

/**
 * Puts another state in the place of an optimizer's, which is disposed of.
 * @param variables as {@link optimizerVariables} has them; disposed of too
 * @param nextBeta1Power of Adamax: beta1 to the power of the step after these
 */
export async function setOptimizerVariables(
  optimizer: Optimizer,
  { steps, variables }: OptimizerVariables,
  nextBeta1Power: number,
): Promise<void> {
  const before = await optimizerVariables(optimizer)
  const adamax = asAdamax(optimizer)
  if (adamax === undefined) {
    const [iterations] = await optimizer.getWeights()
    const given = { name: iterations!.name, tensor: tensorLike(iterations!.tensor, [steps]) }
    await optimizer.setWeights([given, ...variables])
    for (const { tensor } of [iterations!, given]) tensor.dispose()
  } else setAdamax(adamax, { steps, variables }, nextBeta1Power)
  for (const { tensor } of [...before.variables, ...variables]) tensor.dispose()
}

function setAdamax(adamax: Adamax, { steps, variables }: OptimizerVariables, nextBeta1Power: number): void {
  const own = variables.map(({ name, tensor }) => ({ originalName: name, variable: tensor.variable(false) }))
  adamax.accumulatedFirstMoment = own.slice(0, own.length / 2)
  adamax.accumulatedWeightedInfNorm = own.slice(own.length / 2)
  adamax.iterations_ = steps
  const numbers: [Variable, number][] = [
    [adamax.iteration, steps],
    [adamax.accBeta1, nextBeta1Power],
  ]
  for (const [variable, value] of numbers) {
    const tensor = tensorLike(variable, [value])
    variable.assign(tensor)
    tensor.dispose()
  }
}

function asAdamax(optimizer: Optimizer): Adamax | undefined {
  return optimizer.getClassName() === 'Adamax' ? (optimizer as unknown as Adamax) : undefined
}
