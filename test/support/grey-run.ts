import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Images } from '../../src/data/dataset.js'
import { openDataset } from '../../src/data/open-dataset.js'
import { createEngine } from '../../src/tensorflow/engine/create-engine.js'
import { engineOptions } from '../../src/tensorflow/engine/engine.js'
import { describeModel } from '../../src/model/describe-model.js'
import { buildNetwork } from '../../src/model/networks/networks.js'
import { RECIPES } from '../../src/model/config/recipes.js'
import type { Wire } from '../../src/model/config/run-config.js'
import { runConfigSchema } from '../../src/model/config/run-config.js'
import { weightsSha256 } from '../../src/model/weights-sha256.js'
import { ImageScratch } from './image-folder.js'
import { PlainRun } from './plain-run.js'
import { writeIdx } from './write-idx.js'
import { imagesOf } from './images-of.js'

const IMAGES = 1_000
const SIDE = 32

/** Runs of the recipe quick on few images, and the expected weights by semantics.md. */
export class GreyRun {
  readonly #scratch = new ImageScratch()
  readonly #directory = path.join(this.#scratch.directory, 'grey')
  readonly environment = this.#scratch.cache()
  /** Flags of `convoy train`. */
  readonly args = ['--data', this.#directory, '--recipe', 'quick']

  /**
   * Writes the images of the runs, and takes the same steps with seed 7 in a plain loop in this process, because the bits depend
   * on the processor and cannot be stored.
   * @returns sha256 of the weights after each of the given steps
   */
  async plainHashes(steps: readonly number[], wire: Wire = 'float32'): Promise<string[]> {
    const dataset = await greyImages()
    mkdirSync(this.#directory, { recursive: true })
    writeIdx(this.#directory, dataset)
    return (await plainWeights(dataset, steps, wire)).map(weightsSha256)
  }

  remove(): void {
    this.#scratch.remove()
  }
}

/** The green channel of every 60th image of CIFAR-10, which is ordered by class. Evaluations of all would take longer than the steps. */
async function greyImages(): Promise<Images> {
  const { pixels, labels } = imagesOf(await openDataset('cifar10'))
  const size = SIDE * SIDE
  const green = (index: number): number => pixels[3 * (60 * size * Math.floor(index / size) + (index % size)) + 1]!
  return {
    ...{ name: 'grey', fingerprint: 'not used', count: IMAGES, height: SIDE, width: SIDE, channels: 1 },
    classNames: Array.from({ length: 10 }, (_, label) => String(label)),
    pixels: Uint8Array.from({ length: IMAGES * size }, (_, index) => green(index)),
    labels: Uint16Array.from({ length: IMAGES }, (_, index) => labels[60 * index]!),
  }
}

async function plainWeights(dataset: Images, steps: readonly number[], wire: Wire): Promise<Float32Array[]> {
  const config = runConfigSchema.parse({ ...RECIPES['quick']!.config, seed: 7, wire })
  const network = await buildNetwork(config.network, [SIDE, SIDE, 1], dataset.classNames.length)
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
