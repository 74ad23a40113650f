import { createHash } from 'node:crypto'
import { namedTensors } from '../../durability/checkpoint-tensors.js'
import { writeEveryNumber } from '../../durability/every-number.js'
import type { Checkpoint } from '../../durability/read-checkpoint.js'
import type { NamedTensor } from '../../exports/encode-safetensors.js'
import { bytesOf } from '../../shared/bytes-of.js'
import { changedSettings } from '../resumed-config.js'
import { validationOf } from './checkpoint-facts.js'

/** A fact that differs, such as `config.seed`. Undefined: that checkpoint does not have it. */
interface DifferingFact {
  readonly path: string
  readonly a: unknown
  readonly b: unknown
}

/** The first tensor that differs between two checkpoints. */
export interface DifferingTensor {
  readonly name: string
  /** null: that checkpoint does not have it. */
  readonly shapes: readonly [readonly number[] | null, readonly number[] | null]
  /** How many of its values differ; null: the shapes do. */
  readonly values: number | null
  /** The largest absolute difference; null: the shapes differ. */
  readonly largest: {
    readonly index: readonly number[]
    readonly a: number
    readonly b: number
    /** Infinity if it is no finite number; 0 for a zero of the other sign. */
    readonly difference: number
  } | null
}

export interface Differences {
  /** Settings, position, data set, network, numbers of the optimizer, validations. */
  readonly facts: readonly DifferingFact[]
  /** Number of tensors in both checkpoints, and of those that differ. */
  readonly tensors: number
  readonly differingTensors: number
  readonly first: DifferingTensor | null
}

/** Compares everything that decides the rest of a run. Names, times and devices do not. */
export function differencesOf(a: Checkpoint, b: Checkpoint): Differences {
  const [own, other] = [tensorsOf(a), tensorsOf(b)]
  const names = [...new Set([...own.keys(), ...other.keys()])]
  const differing = names.filter((name) => !isEqual(own.get(name), other.get(name)))
  const [first] = differing
  return {
    facts: changedSettings(factsOf(a), factsOf(b)).map(({ path, before, after }) => ({ path, a: before, b: after })),
    tensors: names.length,
    differingTensors: differing.length,
    first: first === undefined ? null : differenceOf(first, own.get(first), other.get(first)),
  }
}

/** As JSON: otherwise NaN would differ from NaN. */
function factsOf({ manifest }: Checkpoint): unknown {
  const { position, description, values } = manifest
  const { config, dataset, model } = description
  const facts = {
    ...{ position, config, dataset: dataset.fingerprint, optimizer: values.optimizer },
    callbacks: values.callbacks,
    model: createHash('sha256').update(JSON.stringify(model)).digest('hex'),
    ...{ best: validationOf(manifest, 'best'), last: validationOf(manifest, 'last') },
  }
  return JSON.parse(JSON.stringify(facts, writeEveryNumber)) as unknown
}

function tensorsOf({ manifest, stored }: Checkpoint): Map<string, NamedTensor> {
  return new Map(namedTensors(stored.tensors, manifest.description.model.layout).map((tensor) => [tensor.name, tensor]))
}

/** Bit for bit. */
function isEqual(a: NamedTensor | undefined, b: NamedTensor | undefined): boolean {
  if (a === undefined || b === undefined || a.shape.join() !== b.shape.join()) return false
  return bytesOf(a.values).equals(bytesOf(b.values))
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length)
}

function differenceOf(name: string, a: NamedTensor | undefined, b: NamedTensor | undefined): DifferingTensor {
  const shapes = [a?.shape ?? null, b?.shape ?? null] as const
  if (a === undefined || b === undefined || a.shape.join() !== b.shape.join())
    return { name, shapes, values: null, largest: null }
  const [own, other] = [bitsOf(a.values), bitsOf(b.values)]
  let values = 0
  let place = -1
  let largest = -1
  for (let index = 0; index < own.length; index++) {
    if (own[index] === other[index]) continue
    values++
    const difference = absoluteDifference(a.values[index]!, b.values[index]!)
    if (difference > largest) [place, largest] = [index, difference]
  }
  const at = { index: indexIn(a.shape, place), a: a.values[place]!, b: b.values[place]! }
  return { name, shapes, values, largest: { ...at, difference: largest } }
}

function absoluteDifference(a: number, b: number): number {
  const difference = Math.abs(a - b)
  return Number.isNaN(difference) ? Infinity : difference
}

/** The index of an element in a tensor of that shape. @param place in the flat vector, row-major */
function indexIn(shape: readonly number[], place: number): number[] {
  const index: number[] = []
  let rest = place
  for (const length of shape.toReversed()) {
    index.unshift(rest % length)
    rest = Math.floor(rest / length)
  }
  return index
}
