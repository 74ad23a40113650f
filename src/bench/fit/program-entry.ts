import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Logs } from '@tensorflow/tfjs'
import { fit, loadTensorflow } from '../../index.js'
import type { TensorFlow } from '../../model/networks/tfjs.js'
import { standardOutput } from '../../shared/terminal.js'
import { FILES } from './fit-data.js'
import type { Training } from './fit-result.js'
import { FIT_PROGRAMS } from './programs.js'
import type { ProgramName } from './programs.js'

/**
 * A program that trains: `program-entry.js fit|model.fit PROGRAM DIRECTORY EPOCHS`.
 * Prints a {@link Training} as JSON. The directory has the data, see fit-data.ts.
 */
const [contestant, name, directory, epochs] = process.argv.slice(2) as [string, ProgramName, string, string]
const program = FIT_PROGRAMS[name]
const { inputShape, batchSize, classes } = program
const isConvoy = contestant === 'fit'
const tf = isConvoy ? (createRequire(import.meta.url)('@tensorflow/tfjs') as TensorFlow) : nativeTensorflow()

/** TensorFlow on as many threads as it chooses itself: it has not read its environment before its first op. */
function nativeTensorflow(): TensorFlow {
  const { tf: native } = loadTensorflow()
  for (const variable of ['TF_NUM_INTRAOP_THREADS', 'TF_NUM_INTEROP_THREADS', 'OMP_NUM_THREADS'])
    Reflect.deleteProperty(process.env, variable)
  return native as unknown as TensorFlow
}

function values(file: string): Float32Array {
  const { buffer, byteOffset, length } = readFileSync(path.join(directory, file))
  return new Float32Array(buffer.slice(byteOffset, byteOffset + length))
}

const targets = values(FILES.y)
const x = tf.tensor(values(FILES.x), [targets.length, ...inputShape])
const y = classes === 0 ? tf.tensor2d(targets, [targets.length, 1]) : tf.oneHot(tf.tensor1d(targets, 'int32'), classes)
const model = program.build(tf)
const ends: number[] = []
let last: Logs = {}
const args = {
  epochs: Number(epochs),
  batchSize,
  verbose: 0 as const,
  callbacks: {
    onEpochEnd: (_epoch: number, logs?: Logs) => {
      ends.push(performance.timeOrigin + performance.now())
      last = logs!
    },
  },
}
if (isConvoy) await fit(model, x, y, args)
else await model.fit(x, y, args)
const training: Training = { epochEndsMs: ends, loss: last['loss']!, measure: last['acc'] ?? last['mae']! }
standardOutput.print(`${JSON.stringify(training)}\n`)
