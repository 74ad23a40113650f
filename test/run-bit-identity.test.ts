import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Dataset } from '../src/data/dataset.js'
import { openDataset } from '../src/data/open-dataset.js'
import { createEngine } from '../src/engine/create-engine.js'
import { engineOptions } from '../src/engine/engine.js'
import { cpuFeatures } from '../src/engine/runtime/describe-device.js'
import { describeModel } from '../src/model/describe-model.js'
import { buildNetwork } from '../src/model/networks.js'
import { RECIPES } from '../src/model/recipes.js'
import { runConfigSchema } from '../src/model/run-config.js'
import { weightsSha256 } from '../src/model/weights-sha256.js'
import { ImageScratch } from './image-folder.js'
import type { Json } from './launch.js'
import { killLaunches, Launch } from './launch.js'
import { PlainRun } from './plain-run.js'

const IMAGES = 1_000
const SIDE = 32
const scratch = new ImageScratch()
const directory = path.join(scratch.directory, 'grey')
const environment = scratch.cache()

const RUN = ['--data', directory, '--recipe', 'quick', '--json']
const SHORT = [...RUN, '--seed', '7', '--max-steps', '6']
/** Over four epochs and a bit, with an evaluation after each. */
const LONG_STEPS = 25

async function train(args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Json> {
  return new Launch(['train', ...args], { ...environment, ...more }).result()
}

describe('the same configuration gives the same weights, bit for bit', () => {
  /** From a plain loop in this process: bits depend on the processor. */
  let short: string | undefined
  let long: string | undefined
  before(async () => {
    const dataset = await greyImages()
    writeIdx(dataset)
    ;[short, long] = (await plainWeights(dataset, [6, LONG_STEPS])).map(weightsSha256)
  })
  after(() => {
    killLaunches()
    scratch.remove()
  })

  function agrees(hash: unknown, expected = short): void {
    assert.match(String(expected), /^[0-9a-f]{64}$/)
    assert.equal(hash, expected)
  }
  function differs(hash: unknown): void {
    for (const one of [hash, short]) assert.match(String(one), /^[0-9a-f]{64}$/)
    assert.notEqual(hash, short)
  }

  for (const workers of [1, 2, 3]) {
    it(`on ${workers} worker processes`, async () => {
      const result = await train([...SHORT, '--workers', String(workers)])
      assert.equal(result['steps'], 6)
      assert.equal(result['samplesSeen'], 6 * 128)
      agrees(result['weightsSha256'])
    })
  }

  it('in one process', async () => {
    agrees((await train([...SHORT, '--standalone']))['weightsSha256'])
  })

  it('whatever the environment tells TensorFlow', async () => {
    const told = { ONEDNN_MAX_CPU_ISA: 'AVX2', TF_XLA_FLAGS: '--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit' }
    const result = await train([...SHORT, '--workers', '1'], { ...told, TF_ONEDNN_ASSUME_FROZEN_WEIGHTS: '1' })
    agrees(result['weightsSha256'])
  })

  it('when one of two workers is killed in the middle', async () => {
    const steps = ['--seed', '7', '--max-steps', String(LONG_STEPS)]
    const launch = new Launch(['train', ...RUN, ...steps, '--workers', '2'], environment)
    await launch.untilMetrics((line) => line['kind'] === 'step' && Number(line['step']) >= 5)
    const [victim] = await launch.workerPids()
    process.kill(victim!, 'SIGKILL')
    const result = await launch.result()
    assert.equal(result['steps'], LONG_STEPS)
    agrees(result['weightsSha256'], long)
  })

  it('when workers of other terminals join and leave a coordinator, one of them over the network alone', async () => {
    const coordinator = new Launch(['coordinator', ...SHORT, '--metrics-listen', '127.0.0.1:0'], environment)
    const { address } = await coordinator.announcement()
    const first = new Launch(['worker', '--join', address], environment)
    const second = new Launch(['worker', '--join', address, '--no-shared-memory'], environment)
    await coordinator.untilMetrics((line) => line['kind'] === 'step')
    first.terminate()
    assert.equal(await first.status(), 0)
    agrees((await coordinator.result())['weightsSha256'])
    assert.equal(await second.status(), 0)
  })

  const noBfloat16 = !cpuFeatures().some((feature) => feature.endsWith('bf16')) && 'this CPU has no bfloat16'
  it('in bfloat16, where they are others', { skip: noBfloat16 }, async () => {
    const low = [...SHORT, '--precision', 'bfloat16']
    const one = await train([...low, '--workers', '1'])
    const two = await train([...low, '--workers', '2'])
    assert.equal(one['weightsSha256'], two['weightsSha256'])
    differs(one['weightsSha256'])
  })

  it('but not for another seed', async () => {
    differs((await train([...RUN, '--seed', '8', '--max-steps', '6', '--workers', '2']))['weightsSha256'])
  })
})

/** The green of every 60th image of CIFAR-10, which are in order of class: evaluations of all would take longer than the steps. */
async function greyImages(): Promise<Dataset> {
  const { pixels, labels } = await openDataset('cifar10')
  const size = SIDE * SIDE
  const green = (index: number): number => pixels[3 * (60 * size * Math.floor(index / size) + (index % size)) + 1]!
  return {
    ...{ name: 'grey', fingerprint: 'not used', count: IMAGES, height: SIDE, width: SIDE, channels: 1 },
    classNames: Array.from({ length: 10 }, (_, label) => String(label)),
    pixels: Uint8Array.from({ length: IMAGES * size }, (_, index) => green(index)),
    labels: Uint16Array.from({ length: IMAGES }, (_, index) => labels[60 * index]!),
  }
}

function writeIdx({ count, height, width, pixels, labels }: Dataset): void {
  mkdirSync(directory)
  const write = (name: string, header: number[], bytes: Uint8Array): void => {
    const words = Buffer.alloc(4 * header.length)
    header.forEach((word, index) => words.writeUInt32BE(word, 4 * index))
    writeFileSync(path.join(directory, name), Buffer.concat([words, bytes]))
  }
  write('train-images-idx3-ubyte', [0x803, count, height, width], pixels)
  write('train-labels-idx1-ubyte', [0x801, count], Uint8Array.from(labels))
}

/** What semantics.md makes of the configuration, after so many steps. */
async function plainWeights(dataset: Dataset, steps: readonly number[]): Promise<Float32Array[]> {
  const config = runConfigSchema.parse({ ...RECIPES['quick']!.config, seed: 7 })
  const network = buildNetwork(config.network, [SIDE, SIDE, 1], dataset.classNames.length)
  const model = describeModel(network)
  network.dispose()
  const engine = await createEngine(engineOptions({ config, model }))
  const weights = new PlainRun(config, dataset).weightsAfter(steps, model.layout, (current, input) => {
    engine.setWeights(current)
    return engine.gradient(input)
  })
  engine.close()
  return weights
}
