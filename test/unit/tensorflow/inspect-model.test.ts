import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import type { Tensor } from '@tensorflow/tfjs'
import sharp from 'sharp'
import { kernelsOf } from '../../../src/reporting/page/inspection.js'
import { augmentationSchema } from '../../../src/data/sampling/augmentation.js'
import { openDataset } from '../../../src/data/open-dataset.js'
import { splitDataset } from '../../../src/data/sampling/split.js'
import { createEngine } from '../../../src/tensorflow/engine/create-engine.js'
import { engineOptions } from '../../../src/tensorflow/engine/engine.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'
import { describeModel } from '../../../src/model/describe-model.js'
import { initialWeights } from '../../../src/model/initial-weights.js'
import { blockOutputs } from '../../../src/model/networks/block-outputs.js'
import { buildNetwork, NETWORK_NAMES } from '../../../src/model/networks/networks.js'
import { RECIPES } from '../../../src/model/config/recipes.js'
import { runConfigSchema } from '../../../src/model/config/run-config.js'
import { evaluateModel } from '../../../src/tensorflow/inference/evaluate-model.js'
import { inspectModel, pickEvenly } from '../../../src/tensorflow/inference/inspect-model.js'
import { predictImages } from '../../../src/tensorflow/inference/predict-images.js'
import { imagesOf } from '../../support/images-of.js'

const { tf } = loadTensorflow('cpu')
const COUNT = 2_000
const TEST_COUNT = 300
const IMAGE_BYTES = 3_072
const whole = imagesOf(await openDataset('cifar10'))
/** A small part spread over the data set, because its images are ordered by class. */
const chosen = Array.from({ length: COUNT }, (_, index) => 30 * index)
const dataset = {
  ...whole,
  count: COUNT,
  pixels: Buffer.concat(
    chosen.map((sample) => whole.pixels.subarray(IMAGE_BYTES * sample, IMAGE_BYTES * (sample + 1))),
  ),
  labels: Uint16Array.from(chosen, (sample) => whole.labels[sample]!),
}
const config = runConfigSchema.parse({ ...RECIPES['quick']!.config, augmentation: augmentationSchema.parse({}) })
const network = await buildNetwork({ name: 'resnet8', reg: 0, dropoutRate: 0 }, [32, 32, 3], 10)
const model = describeModel(network)
network.dispose()
const weights = initialWeights(model.layout, 7)
const { pixels: _pixels, labels: _labels, ...header } = dataset
const description = { config, model, dataset: header }
const engine = await createEngine(engineOptions(description))
engine.setWeights(weights)
after(() => {
  engine.close()
})

const imageOf = (sample: number): Buffer => dataset.pixels.subarray(IMAGE_BYTES * sample, IMAGE_BYTES * (sample + 1))
const bytes = (base64: string): Buffer => Buffer.from(base64, 'base64')

describe('an inspection of a model', () => {
  it('shows in every block the outputs of stock layers', async () => {
    const topology = model.topology as Parameters<typeof tf.models.modelFromJSON>[0]
    const stock = await tf.models.modelFromJSON(topology)
    const values = new Map(
      model.layout.tensors.map(({ name, offset, size, shape }) => [
        name,
        tf.tensor(weights.slice(offset, offset + size), [...shape]),
      ]),
    )
    for (const layer of stock.layers)
      if (layer.weights.length > 0) layer.setWeights(layer.weights.map(({ originalName }) => values.get(originalName)!))
    const layers = blockOutputs(model.topology)
    assert.equal(layers.length, 4)
    const pixels = dataset.pixels.subarray(0, 3 * IMAGE_BYTES)
    const activations = engine.activations([pixels], layers)
    const images = tf.tensor4d(Float32Array.from(pixels), [3, 32, 32, 3]).div(255)
    for (const [index, { shape, values: actual }] of activations.entries()) {
      const part = tf.model({ inputs: stock.inputs, outputs: stock.getLayer(layers[index]!).output })
      const expected = part.predict(images) as Tensor
      assert.deepEqual([3, ...shape], expected.shape)
      const largest = Math.max(...expected.dataSync())
      assert.ok(largest > 0)
      for (const [place, value] of expected.dataSync().entries())
        assert.ok(Math.abs(value - actual[place]!) <= 1e-5 * largest, `${layers[index]} [${place}]`)
    }
  })

  const test = splitDataset(dataset, config.seed, config.stratified).test
  const measured = { dataset, split: 'test', samples: test } as const
  const inspection = inspectModel(engine, { description, step: 5 }, measured)
  const { samples, mistakes, blocks, imageShape } = inspection

  it('has the counts of the evaluation', () => {
    const samples = [...test]
    const pixels = Buffer.concat(samples.map((sample) => imageOf(sample)))
    const counts = engine.evaluate({
      inputs: [pixels],
      targets: [Int32Array.from(samples, (sample) => dataset.labels[sample]!)],
    })
    const right = Array.from({ length: 10 }, (_, label) => counts[11 * label]!).reduce((a, b) => a + b)
    const wrong = TEST_COUNT - right
    assert.deepEqual(
      [inspection.examined, inspection.splitSize, inspection.mistakeCount],
      [TEST_COUNT, TEST_COUNT, wrong],
    )
    assert.equal(inspection.accuracy, right / TEST_COUNT)
  })

  it('shows an image of every class and the most confident mistakes', () => {
    assert.equal(new Set(samples.map(({ label }) => label)).size, 10)
    assert.equal(mistakes.length, 12)
    const sureness = mistakes.map(({ probabilities, label }) => {
      const surest = Math.max(...probabilities)
      assert.notEqual(probabilities.indexOf(surest), label)
      return surest
    })
    assert.deepEqual(
      sureness,
      sureness.toSorted((a, b) => b - a),
    )
    for (const { sample, label, pixels, probabilities } of [...samples, ...mistakes]) {
      assert.ok(test.includes(sample))
      assert.equal(label, dataset.labels[sample])
      assert.ok(bytes(pixels).equals(imageOf(sample)))
      const sum = probabilities.reduce((total, probability) => total + probability, 0)
      assert.ok(Math.abs(sum - 1) < 1e-3)
    }
  })

  it('has bytes for every map, with 255 for the maximum of its block', () => {
    assert.deepEqual(imageShape, [32, 32, 3])
    assert.deepEqual(
      blocks.map(({ name, height, channels, channelCount }) => [name, height, channels.length, channelCount]),
      [
        ['stem', 32, 12, 16],
        ['stage1_block1', 32, 12, 16],
        ['stage2_block1', 16, 12, 48],
        ['stage3_block1', 8, 12, 96],
      ],
    )
    for (const { maps } of [...samples, ...mistakes]) {
      let offset = 0
      for (const { height, width, channels } of blocks) {
        const ofBlock = bytes(maps).subarray(offset, (offset += height * width * channels.length))
        assert.equal(Math.max(...ofBlock), 255)
      }
      assert.equal(bytes(maps).length, offset)
    }
  })

  it('shows the channels with the largest outputs', () => {
    const shown = Buffer.concat([...samples, ...mistakes].map(({ pixels }) => bytes(pixels)))
    for (const [block, { shape, values }] of engine.activations([shown], blockOutputs(model.topology)).entries()) {
      const sums = new Float64Array(shape[2]!)
      values.forEach((value, index) => (sums[index % sums.length]! += value))
      const { channels } = blocks[block]!
      const least = Math.min(...channels.map((channel) => sums[channel]!))
      for (const [channel, sum] of sums.entries())
        assert.ok(channels.includes(channel) || sum <= least, `block ${block}, channel ${channel}`)
    }
  })

  it('takes items spread over a list, with the first and the last', () => {
    assert.deepEqual(pickEvenly([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4), [0, 3, 6, 9])
    assert.deepEqual(pickEvenly([0, 1, 2], 4), [0, 1, 2])
    assert.deepEqual(pickEvenly([7, 8], 1), [7])
  })

  it('is the same when repeated', () => {
    assert.deepEqual(inspectModel(engine, { description, step: 5 }, measured), inspection)
  })

  it('finds blocks and kernels in every network', async () => {
    for (const name of NETWORK_NAMES) {
      const built = await buildNetwork({ name, reg: 0, dropoutRate: 0 }, [32, 32, 3], 10)
      const { topology, layout } = describeModel(built)
      built.dispose()
      assert.ok(blockOutputs(topology).length >= 4, name)
      const { shape, values, largest } = kernelsOf(layout, initialWeights(layout, 1))!
      assert.deepEqual(shape.slice(0, 3), [3, 3, 3])
      assert.equal(bytes(values).length, 27 * shape[3])
      const scaled = new Int8Array(bytes(values))
      const extreme = scaled.findIndex((value) => Math.abs(value) === 127)
      assert.ok(Math.abs(initialWeights(layout, 1)[layout.tensors[0]!.offset + extreme]! / largest) > 0.99)
    }
  })
})

describe('a model of a run', () => {
  it('is evaluated on every sample once, for any size of the last shard', () => {
    const samples = Uint32Array.from({ length: 25 }, (_, index) => 80 * index)
    const probabilities = Array.from(samples, (sample) => engine.predict([imageOf(sample)]))
    const confusion = Array.from({ length: 10 }, () => new Array<number>(10).fill(0))
    let loss = 0
    for (const [index, sample] of samples.entries()) {
      const row = probabilities[index]!
      const label = dataset.labels[sample]!
      confusion[label]![row.indexOf(Math.max(...row))]!++
      loss -= Math.log(row[label]!) / samples.length
    }
    const done: number[] = []
    const measured = evaluateModel(engine, { evaluationShardSize: 10 }, model, dataset, samples, (count) =>
      done.push(count),
    )
    assert.deepEqual(measured.confusion, confusion)
    assert.equal(measured.accuracy, confusion.reduce((sum, row, label) => sum + row[label]!, 0) / 25)
    assert.ok(Math.abs(measured.loss / loss - 1) < 1e-5, `${measured.loss} and ${loss}`)
    assert.deepEqual([measured.samples, ...done], [25, 10, 20, 25])
  })

  it('gives each classified file its own predictions, the most probable first', async () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-predict-'))
    const files = [0, 700, 1400].map((sample) => path.join(directory, `${sample}.png`))
    for (const file of files) {
      const pixels = imageOf(Number(path.basename(file, '.png')))
      await sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } }).toFile(file)
    }
    const { predictions } = await predictImages(engine, description, files, 3)
    rmSync(directory, { recursive: true })
    assert.deepEqual(
      predictions.map(({ file }) => file),
      files,
    )
    const batch = engine.predict([Buffer.concat([0, 700, 1400].map(imageOf))])
    for (const [index, { classes }] of predictions.entries()) {
      const row = Array.from(batch.subarray(10 * index, 10 * index + 10))
      const expected = row.map((probability, label) => ({ name: dataset.classNames[label]!, probability }))
      assert.deepEqual(classes, expected.sort((a, b) => b.probability - a.probability).slice(0, 3))
    }
  })
})
