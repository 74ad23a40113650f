import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { bytesOf } from '../../shared/bytes-of.js'
import { KeyedRandom, PURPOSE, toUnit } from '../../shared/philox.js'
import type { FitProgram } from './programs.js'

/** Files of a program's data: float32, `[samples, …inputShape]`, and `[samples]` labels or numbers. */
export const FILES = { x: 'x.bin', y: 'y.bin' } as const

const SEED = 1
/** Streams of random numbers. */
const [PATTERNS, NOISE] = [0, 1]
/** Of a sample of classes; the rest is noise. */
const PATTERN_SHARE = 0.3

/** @param directory where the {@link FILES} go */
export function writeFitData(program: FitProgram, samples: number, directory: string): void {
  const { x, y } = learnableData(program, samples)
  writeFileSync(path.join(directory, FILES.x), bytesOf(x))
  writeFileSync(path.join(directory, FILES.y), bytesOf(y))
}

/**
 * Makes data that can be learnt and are the same everywhere: a pattern for each class under noise, or a number that follows from a sample.
 * @returns x: `[samples, …inputShape]`, 0 to 1; y: `[samples]` labels or numbers
 */
export function learnableData(
  { inputShape, classes }: Pick<FitProgram, 'inputShape' | 'classes'>,
  samples: number,
): { readonly x: Float32Array; readonly y: Float32Array } {
  const size = inputShape.reduce((product, length) => product * length, 1)
  const x = uniform(samples * size, NOISE)
  const y = new Float32Array(samples)
  const patterns = uniform(classes * size, PATTERNS)
  for (let sample = 0; sample < samples; sample++) {
    const values = x.subarray(sample * size, (sample + 1) * size)
    if (classes === 0) {
      y[sample] = numberOf(values)
      continue
    }
    const label = sample % classes
    y[sample] = label
    for (let index = 0; index < size; index++)
      values[index] = PATTERN_SHARE * patterns[label * size + index]! + (1 - PATTERN_SHARE) * values[index]!
  }
  return { x, y }
}

/** Not linear. @param values 8 of them */
function numberOf(values: Float32Array): number {
  const [a, b, c, d, e, f, g, h] = values
  return 4 * a! * b! - 2 * Math.abs(c! - d!) + e! * f! * g! + h!
}

/** From 0 to 1. */
function uniform(count: number, stream: number): Float32Array {
  const random = new KeyedRandom(SEED, PURPOSE.initialise)
  const values = new Float32Array(count)
  for (let index = 0; index < count; index += 4) {
    const words = random.words(stream, index / 4)
    for (let word = 0; word < Math.min(4, count - index); word++) values[index + word] = toUnit(words[word]!)
  }
  return values
}
