import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { newState } from '../../../src/cli/new-state.js'
import { encodeSafetensors } from '../../../src/exports/encode-safetensors.js'
import type { StoredOptimizer } from '../../../src/exports/optimizer-file.js'
import { encodeOptimizer } from '../../../src/exports/optimizer-file.js'
import { TinyProblem } from '../../../src/simulation/tiny-problem.js'
import type { OptimizerConfig } from '../../../src/training/optimizers/optimizers.js'
import { optimizerSchema } from '../../../src/training/optimizers/optimizers.js'
import type { TrainingState } from '../../../src/training/training-state.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-given-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

const file = path.join(scratch, 'optimizer.safetensors')
const tiny = new TinyProblem(4, 4).description
const { tensors, trainableCount, weightCount } = tiny.model.layout
const trainable = tensors.filter((tensor) => tensor.trainable)
const adamw = optimizerSchema.parse({ kind: 'adamw' })

/** The elements of both vectors count on from 1 in the order of the layout; the file has the tensors in another one. */
function stored(): StoredOptimizer {
  const parts = ['first', 'second'].flatMap((vector, index) =>
    trainable.map(({ name, shape, offset, size }) => ({
      ...{ name: `${vector}/${name}`, shape },
      values: Float32Array.from({ length: size }, (_, at) => 1 + index * trainableCount + offset + at),
    })),
  )
  return { kind: 'adamw', steps: 3, tensors: parts.reverse() }
}

function begin(content: Buffer, optimizer: OptimizerConfig = adamw): TrainingState {
  writeFileSync(file, content)
  const config = { ...tiny.config, optimizer, model: { name: 'mine', sha256: '0'.repeat(64) } }
  const planned = { description: { ...tiny, config }, initialWeights: new Float32Array(weightCount).fill(0.5) }
  return newState(planned, file, { info: () => undefined })
}

describe('the file of an optimizer beside a saved model', () => {
  it('gives its state to a run, whose steps begin anew', () => {
    const { step, weights, optimizer } = begin(encodeOptimizer(stored()))
    assert.equal(step, 0)
    assert.ok(weights.every((weight) => weight === 0.5))
    const { first, second } = optimizer.state.vectors
    assert.deepEqual(
      [...first!, ...second!],
      Array.from({ length: 2 * trainableCount }, (_, index) => index + 1),
    )
    assert.deepEqual(optimizer.state.numbers, { beta1Power: 0.9 * 0.9 * 0.9, beta2Power: 0.999 * 0.999 * 0.999 })
  })

  it('is rejected when it does not fit, with what to do', () => {
    const rejects = (content: Buffer, message: RegExp, optimizer = adamw): void => {
      assert.throws(() => begin(content, optimizer), { name: 'ConvoyError', message })
    }
    const { tensors: parts, ...rest } = stored()
    const sgd = optimizerSchema.parse({ kind: 'sgd' })
    rejects(encodeOptimizer(stored()), /state of adamw, and the run has sgd; train with --optimizer adamw, or re/, sgd)
    rejects(encodeOptimizer({ ...rest, tensors: parts.slice(1) }), /second\/\S+ has no values where \d+ belong; remove/)
    const more = { name: 'third/kernel', shape: [1], values: new Float32Array(1) }
    rejects(encodeOptimizer({ ...rest, tensors: [...parts, more] }), /third\/kernel has 1 values where none belong/)
    const long = { ...parts[0]!, shape: [99], values: new Float32Array(99) }
    rejects(encodeOptimizer({ ...rest, tensors: [long, ...parts.slice(1)] }), /second\/\S+ has 99 values where/)
    rejects(encodeOptimizer({ ...stored(), steps: 1e9 }), /its metadata has no valid steps; remove it/)
    rejects(encodeSafetensors(parts, { format: 'pt' }), /no state of an optimizer: its metadata has no valid format/)
    rejects(encodeOptimizer(stored()).subarray(0, -4), /not a sound safetensors file/)
  })
})
