import type { PlannedRun } from '../coordinator/plan-run.js'
import { decodeOptimizer } from '../exports/optimizer-file.js'
import { readOptimizerFile } from '../model/own/model-source.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import type { Logger } from '../shared/log/log.js'
import { counted } from '../shared/units.js'
import { numbersAfter } from '../training/optimizers/optimizer.js'
import type { TrainingState } from '../training/training-state.js'
import { initialState, stateOfZeros } from '../training/training-state.js'

/**
 * The state that a run begins with: drawn weights, or those of a saved model, with the state of its optimizer if it has one.
 * @param optimizerFile see ModelSource
 * @throws ConvoyError when the file is damaged, or does not fit the model and the optimizer of the run
 */
export function newState(
  { description, initialWeights }: Pick<PlannedRun, 'description' | 'initialWeights'>,
  optimizerFile: string | undefined,
  log: Pick<Logger, 'info'>,
): TrainingState {
  const { model, seed } = description.config
  if (model && initialWeights === undefined)
    log.info(`The first weights of ${model.name} are drawn with the seed, ${seed}, as its initializers say.`)
  if (initialWeights === undefined) return initialState(description)
  const state = stateOfZeros(description)
  state.weights.set(initialWeights)
  const steps = optimizerFile === undefined ? undefined : takeOptimizer(state, description, optimizerFile)
  const optimizer = steps === undefined ? '' : `, and with its optimizer after ${counted(steps, 'step')}`
  log.info(`Beginning with the weights of ${model!.name}${optimizer}.`)
  return state
}

/** @returns the steps that the optimizer has taken */
function takeOptimizer({ optimizer }: TrainingState, { config, model }: RunDescription, file: string): number {
  const { kind, steps, tensors } = decodeOptimizer(readOptimizerFile(file), file)
  if (kind !== config.optimizer.kind)
    throw new ConvoyError(
      'usage',
      `--model: ${file} is the state of ${kind}, and the run has ${config.optimizer.kind}; train with --optimizer ${kind}, or remove the file to begin with a new optimizer.`,
    )
  const given = new Map(tensors.map(({ name, values }) => [name, values]))
  for (const [vector, values] of Object.entries(optimizer.state.vectors))
    for (const { name, offset, size } of model.layout.tensors.filter(({ trainable }) => trainable)) {
      const part = given.get(`${vector}/${name}`)
      if (part?.length !== size) throw unfit(file, `${vector}/${name}`, part?.length, size)
      values.set(part, offset)
      given.delete(`${vector}/${name}`)
    }
  for (const [name, { length }] of given) throw unfit(file, name, length, undefined)
  Object.assign(optimizer.state.numbers, numbersAfter(steps, config.optimizer))
  return steps
}

function unfit(file: string, tensor: string, has: number | undefined, needs: number | undefined): ConvoyError {
  return new ConvoyError(
    'usage',
    `--model: ${file} does not fit the model: its tensor ${tensor} has ${has ?? 'no'} values where ${needs ?? 'none'} belong; remove the file to begin with a new optimizer.`,
  )
}
