import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { augmentationSchema } from '../../../src/data/sampling/augmentation.js'
import { createEngine } from '../../../src/tensorflow/engine/create-engine.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'
import { describeModel } from '../../../src/model/describe-model.js'
import { initialWeights } from '../../../src/model/initial-weights.js'
import { buildNetwork } from '../../../src/model/networks/networks.js'
import { RECIPES } from '../../../src/model/config/recipes.js'
import type { RunDescription } from '../../../src/model/run-description.js'
import { runConfigSchema } from '../../../src/model/config/run-config.js'
import { RunModels } from '../../../src/exports/run-models.js'
import { encodeSafetensors } from '../../../src/exports/encode-safetensors.js'
import { decodeSafetensors } from '../../../src/exports/decode-safetensors.js'
import { loadTrainedModel, saveTrainedModel } from '../../../src/exports/trained-model.js'
import type { ConvoyError } from '../../../src/shared/errors.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-model-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

const network = await buildNetwork({ name: 'resnet8', reg: 0, dropoutRate: 0 }, [32, 32, 3], 10)
const description: RunDescription = {
  config: runConfigSchema.parse({ ...RECIPES['quick']!.config, augmentation: augmentationSchema.parse({}) }),
  model: describeModel(network),
  dataset: {
    name: 'x',
    fingerprint: '0',
    count: 1,
    height: 32,
    width: 32,
    channels: 3,
    classNames: Array.from('abcdefghij'),
  },
}
network.dispose()
const weights = initialWeights(description.model.layout, 3)

const damaged = (word: RegExp) => (error: ConvoyError) => {
  assert.equal(error.code, 'data', error.message)
  assert.match(error.message, word)
  return true
}

describe('safetensors files', () => {
  const tensors = [
    { name: 'a', shape: [2, 3], values: Float32Array.from([1, 2, 3, 4, 5, 6]) },
    { name: 'scalar', shape: [], values: Float32Array.from([-0.5]) },
    { name: 'empty', shape: [0], values: new Float32Array() },
  ]
  const encoded = encodeSafetensors(tensors, { step: '1' })

  it('are read as they were written', () => {
    assert.deepEqual(
      decodeSafetensors(encoded, 'f').sort((a, b) => a.name.localeCompare(b.name)),
      [tensors[0], tensors[2], tensors[1]],
    )
  })

  it('have an aligned header as specified', () => {
    const length = Number(encoded.readBigUInt64LE(0))
    assert.equal(length % 8, 0)
    const header = JSON.parse(encoded.toString('utf8', 8, 8 + length)) as Record<string, unknown>
    assert.deepEqual(header['a'], { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] })
  })

  /** The file with a changed header. */
  function withHeader(
    change: (header: Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>) => unknown,
    instead?: string,
  ): Buffer {
    const length = Number(encoded.readBigUInt64LE(0))
    const header = JSON.parse(encoded.toString('utf8', 8, 8 + length)) as Parameters<typeof change>[0]
    change(header)
    const json = Buffer.from(instead ?? JSON.stringify(header))
    const prefix = Buffer.alloc(8)
    prefix.writeBigUInt64LE(BigInt(json.length))
    return Buffer.concat([prefix, json, encoded.subarray(8 + length)])
  }

  const broken: [string, Buffer, RegExp][] = [
    ['no bytes', Buffer.alloc(0), /no header/],
    ['a header longer than the file', Buffer.from([255, 255, 0, 0, 0, 0, 0, 0, 1]), /claims/],
    ['a header that is not JSON', Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{{')]), /no JSON/],
    ['a truncated end', encoded.subarray(0, -3), /ends in the middle/],
    ['bytes after the end', Buffer.concat([encoded, Buffer.alloc(4)]), /4 bytes follow/],
    ['another dtype', withHeader((header) => (header['a']!.dtype = 'F16')), /F16/],
    ['a shape that does not fit', withHeader((header) => (header['a']!.shape = [7])), /\[7\]/],
    ['a null header', withHeader(() => undefined, 'null'), /bytes follow/],
    [
      'a tensor without offsets',
      withHeader((header) => Reflect.deleteProperty(header['a']!, 'data_offsets')),
      /a has no/,
    ],
    ['a negative shape', withHeader((header) => (header['a']!.shape = [-2, -3])), /a has no/],
    ['overlapping tensors', withHeader((header) => (header['scalar']!.data_offsets = [20, 24])), /begins at byte 20/],
  ]
  for (const [what, bytes, message] of broken) {
    it(`with ${what} are rejected`, () => {
      assert.throws(() => decodeSafetensors(bytes, 'file.safetensors'), damaged(message))
    })
  }
})

describe('a saved model', () => {
  const run = path.join(scratch, 'run')
  const best = path.join(run, 'model', 'best')

  it('is read bit for bit, from the run directory or its own directory', async () => {
    await saveTrainedModel(best, { description, weights, step: 12 }, '1.2.3')
    for (const place of [run, best]) {
      const loaded = await loadTrainedModel(place, 'best')
      assert.deepEqual(loaded.weights, weights)
      assert.equal(loaded.step, 12)
      assert.deepEqual(loaded.description, description)
    }
  })

  it('holds the weights as one little-endian vector in the order of the layout, in both formats', () => {
    const { tensors } = description.model.layout
    const bytes = readFileSync(path.join(best, 'model.safetensors'))
    const dataStart = 8 + Number(bytes.readBigUInt64LE(0))
    const header = JSON.parse(bytes.toString('utf8', 8, dataStart)) as Record<string, unknown>
    const { __metadata__: _metadata, ...entries } = header
    assert.deepEqual(
      Object.entries(entries),
      tensors.map(({ name, shape, offset, size }) => [
        name,
        { dtype: 'F32', shape, data_offsets: [4 * offset, 4 * (offset + size)] },
      ]),
    )
    const model = JSON.parse(readFileSync(path.join(best, 'layers-model', 'model.json'), 'utf8')) as {
      weightsManifest: unknown
    }
    assert.deepEqual(model.weightsManifest, [
      {
        paths: ['weights.bin'],
        weights: tensors.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
      },
    ])
    const layersBytes = readFileSync(path.join(best, 'layers-model', 'weights.bin'))
    for (const data of [bytes.subarray(dataStart), layersBytes]) {
      assert.equal(data.length, 4 * weights.length)
      assert.ok(weights.every((weight, index) => data.readFloatLE(4 * index) === weight))
    }
  })

  it('describes its input, output and weights in both formats', async () => {
    const oblong = structuredClone(description) as RunDescription
    Object.assign(oblong.model, { inputShape: [8, 16, 1] })
    const ignore = (): void => undefined
    const log = { error: ignore, warn: ignore, info: ignore, debug: ignore }
    const runDirectory = path.join(scratch, 'kept')
    mkdirSync(runDirectory)
    const models = await RunModels.prepare({
      ...{ runDirectory, run: 'r', description: oblong, version: '1.2.3', waitMs: 0, log },
      ...{ signal: new AbortController().signal, onSaved: ignore, onFailed: ignore },
    })
    const validation = { accuracy: 0.75, loss: 2 }
    models.add({ best: { weights, step: 11, validation } })
    assert.equal(existsSync(path.join(runDirectory, 'model')), false, 'what is added is saved at the end')
    await models.finish({ last: { weights, step: 12, validation } })
    await models.close()
    assert.deepEqual(readdirSync(path.join(runDirectory, 'model')), ['best', 'last'])
    const place = path.join(runDirectory, 'model', 'last')
    const model = JSON.parse(readFileSync(path.join(place, 'layers-model', 'model.json'), 'utf8')) as {
      userDefinedMetadata: Record<string, unknown>
    }
    const metadata = model.userDefinedMetadata
    assert.deepEqual(metadata, {
      classNames: description.dataset.classNames,
      input: {
        ...{ height: 8, width: 16, channels: 1, layout: 'NHWC', colours: 'grey' },
        ...{ pixelRange: [0, 255], scale: 1 / 255, resize: { fit: 'cover', crop: 'centre', kernel: 'lanczos3' } },
      },
      ...{ output: 'probabilities', weights: 'last', step: 12, run: 'r', validationAccuracy: 0.75 },
      ...{ dataset: { name: 'x', fingerprint: '0' }, convoy: '1.2.3' },
    })
    const bytes = readFileSync(path.join(place, 'model.safetensors'))
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE(0)))) as {
      __metadata__: Record<string, string>
    }
    for (const [name, value] of Object.entries(metadata))
      assert.equal(header.__metadata__[name], typeof value === 'string' ? value : JSON.stringify(value), name)
  })

  it('is replaced as a whole, without leftover files', async () => {
    await saveTrainedModel(best, { description, weights: weights.map((value) => value + 1), step: 13 }, '1.2.3')
    assert.equal((await loadTrainedModel(run, 'best')).step, 13)
    assert.deepEqual(readdirSync(path.dirname(best)), ['best'])
    await saveTrainedModel(best, { description, weights, step: 12 }, '1.2.3')
  })

  it('opens in stock TensorFlow.js and predicts what the engine predicts', async () => {
    const { tf } = loadTensorflow()
    const engine = await createEngine({
      model: description.model,
      shardSize: 4,
      evaluationShardSize: 4,
      labelSmoothing: 0,
      fillMode: 'reflect',
      augment: false,
      precision: 'float32',
    })
    engine.setWeights(weights)
    const pixels = Uint8Array.from({ length: 2 * 3072 }, (_, index) => (index * 31) % 256)
    const expected = engine.predict([pixels])
    engine.close()
    const model = await tf.loadLayersModel(`file://${path.join(best, 'layers-model', 'model.json')}`)
    const output = tf.tidy(() =>
      (
        model.predict(
          tf.tensor4d(
            Float32Array.from(pixels, (byte) => byte / 255),
            [2, 32, 32, 3],
          ),
        ) as ReturnType<typeof tf.zeros>
      ).dataSync(),
    )
    for (let index = 0; index < expected.length; index++) assert.ok(Math.abs(output[index]! - expected[index]!) < 1e-5)
    model.dispose()
  })

  it('is rejected when it is damaged', async () => {
    const copy = path.join(scratch, 'copy')
    cpSync(best, copy, { recursive: true })
    const file = path.join(copy, 'model.safetensors')
    const bytes = readFileSync(file)
    bytes[bytes.length - 5] = bytes[bytes.length - 5]! ^ 4
    writeFileSync(file, bytes)
    await assert.rejects(loadTrainedModel(copy, 'best'), damaged(/sha256/))
    rmSync(file)
    await assert.rejects(loadTrainedModel(copy, 'best'), damaged(/cannot be read/))
    writeFileSync(path.join(copy, 'convoy.json'), '{')
    await assert.rejects(loadTrainedModel(copy, 'best'), damaged(/convoy\.json is damaged/))
    writeFileSync(path.join(copy, 'convoy.json'), '{"step": 1}')
    await assert.rejects(loadTrainedModel(copy, 'best'), damaged(/convoy\.json is damaged: description/))
  })

  it('is rejected before memory is allocated when its manifest claims more weights than the file holds', async () => {
    const copy = path.join(scratch, 'claims')
    cpSync(best, copy, { recursive: true })
    const file = path.join(copy, 'convoy.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/"weightCount": \d+/, '"weightCount": 1e15'))
    await assert.rejects(loadTrainedModel(copy, 'best'), damaged(/do not make/))
  })

  it('gives a usage error when it is missing', async () => {
    await assert.rejects(loadTrainedModel(scratch, 'last'), (error: ConvoyError) => error.code === 'usage')
    assert.ok(!existsSync(path.join(scratch, 'model')))
  })
})
