import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { SPLIT_NAMES } from '../../../data/dataset.js'
import type { SplitName } from '../../../data/dataset.js'
import type { Inspection } from '../../page/inspection.js'
import type { RunEvent, RunObserver } from '../../../training/run-events.js'
import type { EpochSnapshot } from '../../../training/trainer-options.js'
import type { LossObserver } from '../../page/report-file.js'
import type { RunIdentity } from '../../run-identity.js'
import type { Resumption, RunSink, SinkContext, SinkDefinition } from '../run-sink.js'
import { cutEvents } from './cut-events.js'
import type { SummaryValue } from './event-file.js'
import { EventFile, imagesTensor, textTensor } from './event-file.js'
import { histogramOf } from './histogram.js'
import { hyperparametersOf, isSessionEnd, sessionEnd, sessionStart } from './hyperparameters.js'
import type { Png } from './images.js'
import { confusionImage, kernelsImage, pixelsImage } from './images.js'
import { settingsText, table } from './settings-text.js'

/** Event files of a run: one of the run as a whole, and one of each split, which TensorBoard draws as lines of one chart. */
type Writer = 'run' | SplitName

const BEST = 'of the best weights (highest validation accuracy); the step is theirs.'
/** Markdown beside a chart, by split and tag. */
const DESCRIPTIONS: Readonly<Record<SplitName, Readonly<Record<string, string>>>> = {
  train: {
    loss: 'train: mean loss of each batch, with label smoothing.',
    accuracy: 'train: accuracy on each batch.',
    'run/epoch': 'Epochs done so far.',
    'run/learning_rate': 'Learning rate of each step.',
    'run/gradient_norm': 'L2 norm of the averaged gradient before clipping.',
    'run/images_per_second': 'Training images per second in each step.',
    'run/workers': 'Workers taking part.',
  },
  validation: {
    loss: 'validation: mean cross-entropy of the weights at this step.',
    accuracy: 'validation: accuracy of the weights at this step.',
    confusion: 'Validation images: a row is an actual class, a column a predicted one; white is all images of a class.',
    mistakes: 'Validation images with the most confident wrong predictions, of the weights at this step.',
  },
  test: {
    loss: `test: mean cross-entropy ${BEST}`,
    accuracy: `test: accuracy ${BEST}`,
    confusion: `Test images ${BEST} A row is an actual class, a column a predicted one; white is all images of a class.`,
    mistakes: `Test images with the most confident wrong predictions, ${BEST}`,
  },
}

export const tensorboard: SinkDefinition = {
  name: 'tensorboard',
  open: (context) => new TensorboardReport(context),
}

/**
 * The run for TensorBoard, in `tensorboard/` of the run directory: settings and hyperparameters when it starts; in `train/` the scalars of
 * each step, and, at the first step, each epoch's end and the last step, histograms of weights and gradients and the first layer's
 * kernels; in `validation/` and `test/` loss, accuracy and confusion matrix of each evaluation, and mistakes of each inspection.
 */
export class TensorboardReport implements RunSink {
  readonly #directory: string
  readonly #identity: RunIdentity
  readonly #wallSeconds: () => number
  readonly #onLost: LossObserver
  readonly #files = new Map<Writer, EventFile>()
  /** The last steps that an earlier coordinator wrote events of. Undefined: there was none. */
  readonly #earlier: { readonly train: number; readonly validation: number } | undefined
  #batchSize = 0
  #classNames: readonly string[] = []
  #state: 'new' | 'started' | 'finished' = 'new'
  /** Images in the making. */
  #images: Promise<void> = Promise.resolve()

  /** @throws Error of the file system when the file cannot be made */
  constructor({ runDirectory, identity, resumption, wallSeconds, onLost }: SinkContext) {
    this.#directory = path.join(runDirectory, 'tensorboard')
    this.#earlier = resumption && cutReport(this.#directory, resumption)
    this.#identity = identity
    this.#wallSeconds = wallSeconds
    this.#onLost = onLost
    this.#open('run')
    this.#open('train')
  }

  readonly observe: RunObserver = (event) => {
    if (event.kind === 'started') this.#started(event)
    else if (event.kind === 'step') {
      if (event.step > (this.#earlier?.train ?? 0)) this.#step(event)
    } else if (event.kind === 'evaluated') {
      if (event.replayed && event.result.step <= (this.#earlier?.validation ?? 0)) return
      const { split, step, loss, accuracy, confusion, metrics } = event.result
      this.#scalars(split, step, { loss, ...(accuracy !== undefined && { accuracy }), ...metrics })
      if (confusion.length > 0) this.#image(split, step, 'confusion', confusionImage(confusion))
    } else if (event.kind === 'finished') this.#state = 'finished'
  }

  /** See TrainerHooks.onEpoch. Takes about 5 ms for the 270,000 weights of resnet20. */
  readonly onEpoch = ({ step, layout, weights, gradient }: EpochSnapshot): void => {
    const values = layout.tensors.flatMap(({ name, offset, size, trainable }) => [
      { tag: `weights/${name}`, histo: histogramOf(weights.subarray(offset, offset + size)) },
      ...(trainable
        ? [{ tag: `gradients/${name}`, histo: histogramOf(gradient.subarray(offset, offset + size)) }]
        : []),
    ])
    this.#add('train', step, values)
    const first = layout.tensors.find(({ shape }) => shape.length === 4)
    if (first !== undefined) this.#image('train', step, 'first_layer', kernelsImage(first, weights))
  }

  /** The mistakes of an inspection: the images under one tag, and what each was taken for under another. */
  readonly onInspection = ({ split, step, imageShape, mistakes }: Inspection): void => {
    if (mistakes.length === 0) return
    const writer = SPLIT_NAMES.find((name) => name === split) ?? 'run'
    const rows = mistakes.map(({ label, probabilities, sample }, index) => {
      const probability = Math.max(...probabilities)
      const prediction = this.#classNames[probabilities.indexOf(probability)]!
      return [index + 1, this.#classNames[label]!, prediction, `${(100 * probability).toFixed(1)} %`, sample]
    })
    const text = table(['mistake', 'actual', 'predicted', 'probability', 'place in the data set'], rows)
    this.#text(writer, step, 'mistakes/classes', text)
    const images = mistakes.map(async ({ pixels }) => pixelsImage(Buffer.from(pixels, 'base64'), imageShape))
    this.#later(Promise.all(images), (pngs) => {
      const { width, height } = pngs[0]!
      const tensor = imagesTensor(
        width,
        height,
        pngs.map(({ bytes }) => bytes),
      )
      this.#add(writer, step, [{ tag: 'mistakes', tensor, plugin: { pluginName: 'images' } }])
    })
  }

  /** Everything so far is on the disk when this settles. */
  async sync(): Promise<void> {
    await this.#images
    for (const file of this.#files.values()) await file.sync()
  }

  /** Everything is in the files when this settles. */
  async close(): Promise<void> {
    await this.#images
    if (this.#state !== 'new') {
      const status = this.#state === 'finished' ? 'STATUS_SUCCESS' : 'STATUS_FAILURE'
      this.#add('run', 0, [sessionEnd(status, this.#wallSeconds())])
    }
    for (const file of this.#files.values()) await file.close()
  }

  #started(event: Extract<RunEvent, { kind: 'started' }>): void {
    this.#state = 'started'
    this.#batchSize = event.config.batchSize
    this.#classNames = event.dataset.classNames
    if (this.#earlier) return
    const hyperparameters = { dataset: event.dataset.name, ...hyperparametersOf(event.config) }
    this.#add('run', 0, [sessionStart(this.#identity.run, hyperparameters, this.#wallSeconds())])
    this.#text('run', 0, 'settings', settingsText(this.#identity, event))
  }

  #step(event: Extract<RunEvent, { kind: 'step' }>): void {
    const { step, epoch, loss, accuracy, learningRate, gradientNorm, durationMs, workers } = event
    this.#scalars('train', step, {
      loss,
      ...(accuracy !== undefined && { accuracy }),
      'run/epoch': epoch,
      'run/learning_rate': learningRate,
      'run/gradient_norm': gradientNorm,
      'run/images_per_second': (1000 * this.#batchSize) / durationMs,
      'run/workers': workers,
    })
  }

  #scalars(writer: Writer, step: number, values: Readonly<Record<string, number>>): void {
    this.#add(
      writer,
      step,
      Object.entries(values).map(([tag, simpleValue]) => ({ tag, simpleValue })),
    )
  }

  /** @param text Markdown */
  #text(writer: Writer, step: number, tag: string, text: string): void {
    this.#add(writer, step, [{ tag, tensor: textTensor(text), plugin: { pluginName: 'text' } }])
  }

  #image(writer: Writer, step: number, tag: string, made: Promise<Png | undefined>): void {
    this.#later(made, (png) => {
      if (png === undefined) return
      const { height, width, channels, bytes } = png
      const image = { height, width, colorspace: channels, encodedImageString: bytes }
      this.#add(writer, step, [{ tag, image }])
    })
  }

  /** Adds what is encoded, in the order of the calls. */
  #later<Encoded>(encoded: Promise<Encoded>, add: (value: Encoded) => void): void {
    this.#images = Promise.all([encoded, this.#images])
      .then(([value]) => {
        add(value)
      })
      .catch((error: unknown) => {
        this.#onLost(1, error as Error)
      })
  }

  #add(writer: Writer, step: number, values: readonly SummaryValue[]): void {
    const descriptions = writer === 'run' ? {} : DESCRIPTIONS[writer]
    const described = values.map((value) => {
      const description = descriptions[value.tag]
      return description === undefined ? value : { ...value, description }
    })
    try {
      this.#open(writer).add(step, described)
    } catch (error) {
      this.#onLost(1, error as Error)
    }
  }

  /** Made when there is something to write: TensorBoard shows a run for each file. */
  #open(writer: Writer): EventFile {
    let file = this.#files.get(writer)
    if (file === undefined) {
      const directory = writer === 'run' ? this.#directory : path.join(this.#directory, writer)
      mkdirSync(directory, { recursive: true })
      file = new EventFile(directory, this.#wallSeconds, this.#onLost)
      this.#files.set(writer, file)
    }
    return file
  }
}

/** Removes the events of what is computed again, and the end of the run that is none any more. @returns the last steps that stay */
function cutReport(
  directory: string,
  { step, validatedStep = 0 }: Resumption,
): { readonly train: number; readonly validation: number } {
  cutEvents(directory, ({ tags }) => !tags.some(isSessionEnd))
  rmSync(path.join(directory, 'test'), { recursive: true, force: true })
  return {
    train: cutEvents(path.join(directory, 'train'), (event) => event.step <= step),
    validation: cutEvents(path.join(directory, 'validation'), (event) => event.step <= validatedStep),
  }
}
