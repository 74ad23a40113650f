import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Inspection } from '../../../dashboard/inspection.js'
import type { RunEvent, RunObserver } from '../../run-events.js'
import type { Landmark } from '../../training-run.js'
import type { LossObserver } from '../report-file.js'
import { EventFile } from './event-file.js'
import { histogramOf } from './histogram.js'
import type { Png } from './images.js'
import { confusionImage, kernelsImage, pixelsImage } from './images.js'

/**
 * The run for TensorBoard, in `tensorboard/` of the run directory: scalars of each step and each evaluation, the confusion matrix of each
 * evaluation; mistakes whenever the network is looked into; and, at the first step, each epoch's end and the last step, histograms of weights and gradients and the first
 * layer's kernels.
 */
export class TensorboardReport {
  readonly #events: EventFile
  readonly #onLost: LossObserver
  #batchSize = 0
  #classNames: readonly string[] = []
  /** Images in the making. */
  #images: Promise<void> = Promise.resolve()

  /** @param wallSeconds since 1970 @throws Error of the file system when the file cannot be made */
  constructor(runDirectory: string, wallSeconds: () => number, onLost: LossObserver) {
    const directory = path.join(runDirectory, 'tensorboard')
    mkdirSync(directory)
    this.#onLost = onLost
    this.#events = new EventFile(directory, wallSeconds, onLost)
  }

  readonly observe: RunObserver = (event) => {
    if (event.kind === 'started') {
      this.#batchSize = event.config.batchSize
      this.#classNames = event.dataset.classNames
    } else if (event.kind === 'step') this.#step(event)
    else if (event.kind === 'evaluated') {
      const { split, step, loss, accuracy, confusion } = event.result
      this.#scalars(step, { [`${split}/loss`]: loss, [`${split}/accuracy`]: accuracy })
      this.#image(step, `${split}/confusion`, confusionImage(confusion))
    }
  }

  /** See {@link Landmark}. Takes about 5 ms for the 270,000 weights of resnet20. */
  readonly passed = ({ step, layout, weights, gradient }: Landmark): void => {
    const values = layout.tensors.flatMap(({ name, offset, size, trainable }) => [
      { tag: `weights/${name}`, histo: histogramOf(weights.subarray(offset, offset + size)) },
      ...(trainable
        ? [{ tag: `gradients/${name}`, histo: histogramOf(gradient.subarray(offset, offset + size)) }]
        : []),
    ])
    this.#events.add(step, values)
    const first = layout.tensors.find(({ shape }) => shape.length === 4)
    if (first !== undefined) this.#image(step, 'first_layer', kernelsImage(first, weights))
  }

  /** The mistakes of an inspection, each under a tag that says what was taken for what. */
  readonly inspected = ({ step, imageShape, mistakes }: Inspection): void => {
    for (const [index, { pixels, label, probabilities }] of mistakes.entries()) {
      const prediction = probabilities.indexOf(Math.max(...probabilities))
      const tag = `mistakes/${index + 1}: ${this.#classNames[label]} taken for ${this.#classNames[prediction]}`
      this.#image(step, tag, pixelsImage(Buffer.from(pixels, 'base64'), imageShape))
    }
  }

  /** Everything is in the file when this settles. */
  async close(): Promise<void> {
    await this.#images
    await this.#events.close()
  }

  #step(event: Extract<RunEvent, { kind: 'step' }>): void {
    const { step, epoch, loss, accuracy, learningRate, gradientNorm, durationMs, workers } = event
    this.#scalars(step, {
      'train/loss': loss,
      'train/accuracy': accuracy,
      'run/epoch': epoch,
      'run/learning_rate': learningRate,
      'run/gradient_norm': gradientNorm,
      'run/images_per_second': (1000 * this.#batchSize) / durationMs,
      'run/workers': workers,
    })
  }

  #scalars(step: number, values: Readonly<Record<string, number>>): void {
    this.#events.add(
      step,
      Object.entries(values).map(([tag, simpleValue]) => ({ tag, simpleValue })),
    )
  }

  #image(step: number, tag: string, made: Promise<Png | undefined>): void {
    const added = made.then(
      (png) => {
        if (png === undefined) return
        const { height, width, channels, bytes } = png
        this.#events.add(step, [{ tag, image: { height, width, colorspace: channels, encodedImageString: bytes } }])
      },
      (error: unknown) => {
        this.#onLost(1, error as Error)
      },
    )
    this.#images = Promise.all([this.#images, added]).then(() => undefined)
  }
}
