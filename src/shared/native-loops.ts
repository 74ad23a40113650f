import { createRequire } from 'node:module'
import os from 'node:os'
import { compiledLoops } from './compile-loops.js'

/** A tensor inside of a vector, and a number of its own, as native loops read them: three values each. */
export type TensorTable = Float64Array

/**
 * native/loops.cc: loops over float32 vectors with the processor's vector instructions, on so many threads of the addon's own; the calling
 * thread waits for them. Each gives the bits of the TypeScript loop beside its only call, for any number of threads.
 */
export interface NativeLoops {
  /** left += right @param rounded elements of the sum, from the first, that are rounded to bfloat16 */
  add(left: Float32Array, right: Float32Array, length: number, threads: number, rounded: number): void
  /** Rounds the first `count` values to bfloat16. */
  round(vector: Float32Array, count: number): void
  /** Moves the upper halves of the first `count` values together: see packBfloat16. */
  pack(vector: Float32Array, count: number): void
  /** Undoes {@link NativeLoops.pack} for a part. */
  unpack(vector: Float32Array, count: number, begin: number, end: number): void
  /** @returns the index of the first value that is not finite, or above `most`; -1 when there is none */
  firstBad(vector: Float32Array, most: number, length: number, threads: number): number
  /** @param tensors with their L2 @param squares is filled: the sum of the squares of each slice */
  average(
    ...given: [
      ...[sum: Float32Array, weights: Float32Array, batchSize: number, tensors: TensorTable],
      ...[squares: Float64Array, sliceLength: number, length: number, threads: number],
    ]
  ): void
  sgd(
    ...given: [
      ...[weights: Float32Array, gradient: Float32Array, velocity: Float32Array],
      ...[scale: number, rate: number, momentum: number, nesterov: number, begin: number, end: number, threads: number],
    ]
  ): void
  /** @param tensors with their weight decay, times the rate */
  adamw(
    ...given: [
      ...[weights: Float32Array, gradient: Float32Array, first: Float32Array, second: Float32Array],
      ...[scale: number, rate: number, beta1: number, beta2: number, epsilon: number],
      ...[beta1Power: number, beta2Power: number, tensors: TensorTable, begin: number, end: number, threads: number],
    ]
  ): void
  rmsprop(
    ...given: [
      ...[weights: Float32Array, gradient: Float32Array],
      ...[meanSquare: Float32Array, change: Float32Array, meanGradient: Float32Array],
      ...[scale: number, rate: number, decay: number, momentum: number, epsilon: number, centered: number],
      ...[begin: number, end: number, threads: number],
    ]
  ): void
  adagrad(
    ...given: [
      ...[weights: Float32Array, gradient: Float32Array, accumulator: Float32Array],
      ...[scale: number, rate: number, epsilon: number, begin: number, end: number, threads: number],
    ]
  ): void
  adadelta(
    ...given: [
      ...[weights: Float32Array, gradient: Float32Array, squaredGradients: Float32Array, squaredUpdates: Float32Array],
      ...[scale: number, rate: number, rho: number, epsilon: number, begin: number, end: number, threads: number],
    ]
  ): void
  adamax(
    ...given: [
      ...[weights: Float32Array, gradient: Float32Array, first: Float32Array, largest: Float32Array],
      ...[scale: number, rate: number, beta1: number, beta2: number, epsilon: number],
      ...[begin: number, end: number, threads: number],
    ]
  ): void
  /** Fills a vector from the beginning of a file. @returns false when the file is too short */
  read(descriptor: number, vector: Float32Array, length: number, threads: number): boolean
  /**
   * The first bytes of a file as memory that all processes share which map it. Nobody may make the file shorter: to touch what it has no
   * longer ends the process.
   * @param isWritable 1: the file gets all of these bytes; 0: it has them, and to write there ends the process
   * @throws Error of the system, such as ENOSPC
   */
  mapFile(descriptor: number, bytes: number, isWritable: number): ArrayBuffer
  /** Copies `length` bytes of `source` to `target` from `at`. @returns the CRC-32 of them after those that `seed` is the CRC-32 of */
  copyWithCrc32(target: Uint8Array, at: number, source: Uint8Array, length: number, seed: number): number
}

type Loaded = { readonly loops: NativeLoops } | { readonly problem: string }

/** Floats of a vector from which threads pay. */
const LONG = 2 ** 20
/** Floats that a thread takes at a time. */
const PIECE = 2 ** 16

let loaded: Loaded | undefined
let isOff = false
let threadCount: number | undefined

/**
 * The loops, compiled at the first call on a machine: about two seconds.
 * @returns undefined where they cannot be compiled: TypeScript computes the same on the calling thread, several times slower
 */
export function nativeLoops(): NativeLoops | undefined {
  loaded ??= load()
  return 'loops' in loaded && !isOff ? loaded.loops : undefined
}

/** @returns why TypeScript computes, with the remedy; undefined: the loops are native */
export function nativeLoopsProblem(): string | undefined {
  loaded ??= load()
  return 'problem' in loaded ? loaded.problem : undefined
}

/** Threads for a loop over a vector of this length, in the only process of a machine that uses several: one for a short vector. */
export function threadsFor(length: number): number {
  if (threadCount !== undefined) return threadCount
  return length <= LONG ? 1 : Math.min(os.availableParallelism(), Math.ceil(length / PIECE))
}

/** Runs a function on TypeScript's loops, to compare. */
export function withoutNativeLoops<Result>(run: () => Result): Result {
  isOff = true
  try {
    return run()
  } finally {
    isOff = false
  }
}

/** Runs a function with this number of threads for vectors of any length, to compare. */
export function withThreads<Result>(count: number, run: () => Result): Result {
  threadCount = count
  try {
    return run()
  } finally {
    threadCount = undefined
  }
}

function load(): Loaded {
  try {
    return { loops: createRequire(import.meta.url)(compiledLoops()) as NativeLoops }
  } catch (error) {
    return { problem: (error as Error).message.split('\n')[0]! }
  }
}
