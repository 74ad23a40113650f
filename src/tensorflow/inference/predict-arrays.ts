import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { deserialize, serialize } from 'node:v8'
import type { Column, ColumnValues } from '../../data/dataset.js'
import { sizeOf } from '../../data/dataset.js'
import type { RunDescription } from '../../model/run-description.js'
import { ConvoyError } from '../../shared/errors.js'
import { counted } from '../../shared/units.js'
import { readRegularFile } from '../../shared/read-file.js'
import type { Engine } from '../engine/engine.js'
import type { PredictedOutput } from './predict-samples.js'
import { predictSamples } from './predict-samples.js'

/** Of all arrays of one call. A serialized value has less than 2 GiB. */
export const MAX_ARRAY_BYTES = 1e9
/** For what is beside the values. */
const MAX_FILE_BYTES = MAX_ARRAY_BYTES + 1e6

/** An input of a model. */
export interface GivenArray {
  /** Absent: the input at this place. */
  readonly name?: string
  readonly type: Column['type']
  /** Of one sample. */
  readonly shape: readonly number[]
  /** `[samples, …shape]` */
  readonly values: ColumnValues
}

/** Files of arrays in a directory that two processes of one machine share. */
const INPUTS = 'inputs.bin'
const OUTPUTS = 'outputs.bin'

export function writeInputs(directory: string, inputs: readonly GivenArray[]): void {
  writeFileSync(path.join(directory, INPUTS), serialize(inputs))
}

export function readOutputs(directory: string): PredictedOutput[] {
  return deserialize(readRegularFile(path.join(directory, OUTPUTS), MAX_FILE_BYTES)) as PredictedOutput[]
}

/**
 * Computes the outputs of a model that takes arrays, from a file to a file.
 * @throws ConvoyError('usage') for arrays that are not the model's inputs
 */
export function predictArrays(engine: Engine, description: RunDescription, directory: string): void {
  const given = deserialize(readRegularFile(path.join(directory, INPUTS), MAX_FILE_BYTES)) as GivenArray[]
  const outputs = predictSamples(engine, description, inOrder(given, description.model.inputs))
  writeFileSync(path.join(directory, OUTPUTS), serialize(outputs))
}

function inOrder(given: readonly GivenArray[], inputs: readonly Column[] | undefined): ColumnValues[] {
  if (inputs === undefined) throw new ConvoyError('usage', 'This model takes images: give paths or pixels, no arrays.')
  const wanted = inputs.map(({ name, shape }) => `${name} [${shape.join(', ')}]`).join(', ')
  if (given.length !== inputs.length)
    throw new ConvoyError('usage', `The model has ${counted(inputs.length, 'input')} (${wanted}), not ${given.length}.`)
  const found = inputs.map(({ name, type, shape }, index) => {
    const array = given.find((one) => (one.name ?? name) === name && (one.name !== undefined || one === given[index]))
    if (array === undefined) throw new ConvoyError('usage', `The input ${name} is missing; the model takes ${wanted}.`)
    if (array.shape.join() !== shape.join())
      throw new ConvoyError(
        'usage',
        `The input ${name} has samples of the shape [${array.shape.join(', ')}]; the model takes ${wanted}.`,
      )
    const values = type === array.type ? array.values : new (type === 'int32' ? Int32Array : Float32Array)(array.values)
    return { values, count: values.length / sizeOf(shape) }
  })
  if (new Set(found.map(({ count }) => count)).size > 1)
    throw new ConvoyError(
      'usage',
      `The inputs have other numbers of samples (${found.map(({ count }) => count).join(', ')}).`,
    )
  return found.map(({ values }) => values)
}
