import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { LayersModel, Tensor } from '@tensorflow/tfjs'
import * as tf from '@tensorflow/tfjs'
import sharp from 'sharp'
import type {
  DatasetHandle,
  MetricsLine,
  RunConfigInput,
  RunResult,
  TrainingRun,
  TrainOptions,
} from '../../src/index.js'
import { defineDataset, defineModel, evaluate, loadRun, predict, train } from '../../src/index.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { philox } from '../../src/shared/philox.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-library-test-'))
Object.assign(process.env, tiny.environment, { TMPDIR: scratch })
after(() => {
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const SAMPLES = 240
const NAMES = ['iris', 'lily', 'rose']
const labels = Array.from({ length: SAMPLES }, (_, sample) => sample % NAMES.length)
/** Three groups of points that overlap a little. */
const points = Float32Array.from({ length: 2 * SAMPLES }, (_, index) => {
  const words = new Uint32Array(4)
  philox(words, 1, 1, index, 0, 0, 0)
  const label = labels[Math.floor(index / 2)]!
  return (index % 2 === 0 ? label : 2 - 0.8 * label) + (1.2 * words[0]!) / 2 ** 32
})
const CONFIG: Partial<RunConfigInput> = {
  ...{ batchSize: 16, shardSize: 4, epochs: 4 },
  optimizer: { kind: 'adamw', weightDecay: 0 },
  schedule: { kind: 'step', initial: 0.02, milestones: [] },
}

function classifier(): LayersModel {
  const kernelInitializer = tf.initializers.glorotNormal({ seed: 1 })
  return tf.sequential({
    layers: [
      tf.layers.dense({ inputShape: [2], units: 8, activation: 'tanh', kernelInitializer }),
      tf.layers.dense({ units: 3, activation: 'softmax', kernelInitializer }),
    ],
  })
}

async function flowers(): Promise<DatasetHandle> {
  return defineDataset({
    name: 'flowers',
    inputs: { point: { values: points, shape: [2] } },
    labels,
    classNames: NAMES,
  })
}

async function start(options: TrainOptions = {}): Promise<TrainingRun> {
  const given = { model: defineModel(classifier()), data: await flowers(), config: CONFIG }
  return train({ ...given, runsDir: path.join(scratch, 'runs'), quiet: true, ...options })
}

async function eventsOf(run: AsyncIterable<MetricsLine>): Promise<MetricsLine[]> {
  const events = []
  for await (const event of run) events.push(event)
  return events
}

async function failsWith(promise: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error: Error & { code: string }) => {
    assert.match(error.message, message)
    assert.equal(error.code, code)
    return true
  })
}

describe('train', () => {
  let run: TrainingRun
  let result: RunResult
  before(async () => {
    run = await start({ workers: 2 })
    result = await run.result
  })

  it('gives each iterator all events, also when the run is over', async () => {
    const [one, other] = [await eventsOf(run), await eventsOf(run)]
    assert.deepEqual(one, other)
    const steps = one.flatMap((event) => (event.kind === 'step' ? event.step : []))
    assert.deepEqual(
      steps,
      Array.from({ length: result.steps }, (_, index) => index + 1),
    )
    assert.ok(one.some(({ kind }) => kind === 'finished'))
  })

  it('ends with the same weights in one process, with a model that another program saved', async () => {
    const again = await start({ standalone: true, model: path.join(await saved(), 'flowers') })
    const [{ weightsSha256 }, events] = await Promise.all([again.result, eventsOf(again)])
    assert.equal(weightsSha256, result.weightsSha256)
    assert.equal(events.filter(({ kind }) => kind === 'step').length, result.steps)
  })

  it('is loaded from its directory', async () => {
    const loaded = loadRun(await run.directory)
    assert.equal(loaded.config.epochs, CONFIG.epochs)
    assert.equal(loaded.status, 'finished')
    assert.deepEqual(loaded.result, JSON.parse(JSON.stringify(result)))
    assert.deepEqual(await eventsOf(loaded.metrics()), await eventsOf(run))
    const { weightsManifest } = JSON.parse(readFileSync(path.join(loaded.model('last'), 'model.json'), 'utf8')) as {
      weightsManifest: { weights: { name: string; shape: number[] }[] }[]
    }
    const weights = await loaded.weights('last')
    assert.deepEqual(
      [...weights].map(([name, { shape }]) => ({ name, shape, dtype: 'float32' })),
      weightsManifest[0]!.weights,
    )
    assert.throws(() => loadRun(scratch), { code: 'usage', message: /lacks config\.yaml/ })
  })

  it('is evaluated with the numbers of its end', async () => {
    const { loss, accuracy, weights, dataset } = await evaluate(run)
    assert.deepEqual([loss, accuracy, weights], [result.test!.loss, result.test!.accuracy, 'best'])
    assert.equal(dataset.isTrainedOn, true)
    await failsWith(evaluate(run, { data: tiny.directory }), 'usage', /the model was trained on/)
  })

  it('predicts what its weights give in TensorFlow.js', async () => {
    const x = tf.tensor2d(points, [SAMPLES, 2])
    const { outputs, weights } = await predict(run, x, { weights: 'last' })
    const [output] = outputs
    assert.deepEqual([weights, output!.shape, output!.classNames], ['last', [SAMPLES, 3], NAMES])
    const model = classifier()
    const trained = [...(await loadRun(await run.directory).weights('last')).values()]
    model.setWeights(trained.map(({ values, shape }) => tf.tensor(values, [...shape])))
    const expected = (model.predict(x) as Tensor).dataSync()
    assert.ok(output!.values.every((value, index) => Math.abs(value - expected[index]!) < 1e-5))
    const named = await predict(run, { point: { values: points, shape: [2] } }, { weights: 'last' })
    assert.deepEqual(named.outputs, outputs)
    await failsWith(predict(run, { points: x }), 'usage', /input point is missing/)
    await failsWith(
      predict(run, x, { split: 'test' } as object),
      'usage',
      /predict: there is no option split; there are/,
    )
    await failsWith(predict(run, ['none.png']), 'usage', /none\.png: there is no such file/)
  })

  it('leaves nothing in the directory for temporary files', () => {
    assert.deepEqual(
      readdirSync(scratch).filter((name) => /^convoy-(train|predict)-/.test(name)),
      [],
    )
  })

  it('rejects with the code of the error, and names the option', async () => {
    await failsWith((await start({ config: { ...CONFIG, epochs: 0 } })).result, 'usage', /config\.epochs/)
    await failsWith((await start({ data: 'nowhere' })).directory, 'usage', /--data nowhere/)
    await failsWith((await start({ epochs: 3 } as TrainOptions)).result, 'usage', /no option epochs/)
    const failing = await start({ ...(await diverging()), workers: 1 })
    await failsWith(failing.result, 'training', /not finite in the gradient/)
    await failsWith(eventsOf(failing), 'training', /not finite in the gradient/)
  })

  /** Numbers whose squares are more than float32 holds. */
  async function diverging(): Promise<TrainOptions> {
    const numbers = { values: points.map((value) => 1e30 * value), shape: [2] }
    const data = await defineDataset({ name: 'huge', inputs: { numbers }, targets: { sums: numbers } })
    const model = tf.sequential({ layers: [tf.layers.dense({ inputShape: [2], units: 2 })] })
    return { data, model: defineModel(model) }
  }

  async function saved(): Promise<string> {
    await defineModel(classifier(), { name: 'flowers' }).save(scratch)
    return scratch
  }
})

describe('a run on images', () => {
  it('predicts pixels as it does their file', async () => {
    const options = { recipe: 'quick', maxSteps: 2, standalone: true, quiet: true }
    const run = train({ data: tiny.directory, runsDir: path.join(scratch, 'runs'), ...options })
    await run.result
    const pixels = { data: Uint8Array.from({ length: 20 * 16 }, (_, index) => index % 251), width: 20, height: 16 }
    const file = path.join(scratch, 'image.png')
    await sharp(pixels.data, { raw: { width: 20, height: 16, channels: 1 } })
      .png()
      .toFile(file)
    const { predictions } = await predict(run, [pixels, file], { top: 4 })
    assert.deepEqual(
      predictions.map((prediction) => prediction.file),
      ['pixels 0', file],
    )
    assert.deepEqual(predictions[0]!.classes, predictions[1]!.classes)
    assert.equal(predictions[0]!.classes.length, 4)
    await failsWith(predict(run, [{ ...pixels, width: 19 }]), 'usage', /pixels 0 has 320 bytes for 19x16 pixels/)
  })
})

describe('defineDataset', () => {
  const inputs = { point: { values: points, shape: [2] } }

  it('packs tensors and arrays into the same data set', async () => {
    const ofArrays = await flowers()
    const ofTensors = await defineDataset({
      name: 'flowers',
      inputs: { point: tf.tensor2d(points, [SAMPLES, 2]) },
      labels: labels.map((label) => NAMES[label]!),
    })
    assert.deepEqual(ofTensors, ofArrays)
    assert.equal(ofArrays.count, SAMPLES)
  })

  it('rejects arrays that do not fit together', async () => {
    const of = async (parts: object): Promise<unknown> => defineDataset({ name: 'wrong', inputs, ...parts })
    await failsWith(of({ labels, classNames: ['a', 'b'] }), 'usage', /sample 2 of labels is 2; the classes are/)
    await failsWith(
      of({ labels: labels.slice(1), classNames: NAMES }),
      'usage',
      /labels has 239 samples and inputs\.point has 240/,
    )
    await failsWith(of({ labels }), 'usage', /classNames is missing/)
    await failsWith(of({}), 'usage', /give either labels or targets/)
    await failsWith(of({ labels, classNames: NAMES, sampleWeights: [1] }), 'usage', /sampleWeights has 1 numbers/)
    await failsWith(of({ targets: { y: { values: [1, NaN], shape: [] } } }), 'usage', /sample 1 of targets\.y is NaN/)
    await failsWith(of({ name: 'fit', labels, classNames: NAMES }), 'usage', /name fit is that of/)
  })
})

describe('a run that is steered', () => {
  const LONG = { config: { ...CONFIG, epochs: 10_000 }, standalone: true }

  it('pauses, makes a checkpoint, continues and stops', async () => {
    const run = await start(LONG)
    const paused = await run.pause()
    const { step, directory } = await run.checkpoint()
    assert.equal(step, paused.step)
    assert.ok(existsSync(directory))
    assert.deepEqual(await run.continue(), { wasPaused: true })
    await run.stop()
    const { steps } = await run.result
    assert.ok(steps >= step)
    await run.stop()
  })

  it('ends with a checkpoint when its signal is aborted, and is resumed', async () => {
    const abort = new AbortController()
    const run = await start({ ...LONG, signal: abort.signal })
    const reason = new Error('enough')
    for await (const event of run)
      if (event.kind === 'step') {
        abort.abort(reason)
        break
      }
    await assert.rejects(run.result, reason)
    await assert.rejects(eventsOf(run), reason)
    const directory = await run.directory
    const resumed = train({
      resume: directory,
      runsDir: path.dirname(directory),
      quiet: true,
      standalone: true,
      config: { epochs: 20 },
    })
    const { steps } = await resumed.result
    assert.equal(await resumed.directory, directory)
    assert.equal(steps, (20 * 0.7 * SAMPLES) / 16)
  })
})

describe('the program of the guide', () => {
  it('trains, predicts, evaluates and loads its run', () => {
    const page = readFileSync(path.join(packageRoot, 'docs', 'guides', 'library.md'), 'utf8')
    const program = /```js\n([^]*?)```/.exec(page)![1]!
    const project = path.join(scratch, 'project')
    mkdirSync(path.join(project, 'node_modules', '@tensorflow'), { recursive: true })
    symlinkSync(packageRoot, path.join(project, 'node_modules', 'convoy'))
    const installed = path.join('node_modules', '@tensorflow', 'tfjs')
    symlinkSync(path.join(packageRoot, installed), path.join(project, installed))
    writeFileSync(path.join(project, 'program.mjs'), program)
    const output = execFileSync(process.execPath, ['program.mjs'], { cwd: project, encoding: 'utf8', stdio: 'pipe' })
    assert.match(output, /^validation [\d.]+$/m)
    assert.match(output, /^validation accuracy [\d.]+$/m)
    assert.match(output, /probabilities \[ 'left', 'middle', 'right' \] Float32Array\(3\)/)
    assert.match(output, /weights \[\s+'dense_Dense1\/kernel',/)
    const [, accuracy] = /^test accuracy ([\d.]+)$/m.exec(output)!
    assert.ok(Number(accuracy) > 0.9, output)
  })
})
