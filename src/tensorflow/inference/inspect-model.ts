import type { InspectedBlock, InspectedImage, Inspection } from '../../reporting/page/inspection.js'
import type { SplitChoice } from '../../data/sampling/choose-samples.js'
import type { Images } from '../../data/dataset.js'
import type { Engine } from '../engine/engine.js'
import { blockOutputs } from '../../model/networks/block-outputs.js'
import type { TrainedModel } from '../../exports/trained-model.js'

const MAX_EXAMINED = 10_000
const MAX_SAMPLES = 12
const MAX_MISTAKES = 12
/** Most blocks shown; of a deeper network, these are spread over its depth. */
const MAX_BLOCKS = 16
const MAX_CHANNELS = 12
/** Longest side of a shown map. Of larger maps every second, third, … row and column is shown. */
const MAX_SIDE_PIXELS = 64
const BATCH = 250

/**
 * Inspects a model on a split: predictions for some images, its most confident mistakes, and feature maps of its blocks.
 * The same model and data give the same images.
 * @param engine with the model's weights
 * @param measured samples of a data set with the model's classes, at least one
 */
export function inspectModel(
  engine: Engine,
  { description, step }: Pick<TrainedModel, 'description' | 'step'>,
  measured: { dataset: Images; split: SplitChoice; samples: Uint32Array },
): Inspection {
  const { model } = description
  const { dataset, split, samples: all } = measured
  const classes = model.classCount
  const imageBytes = model.inputShape.reduce((product, size) => product * size, 1)
  const pixelsOf = (samples: readonly number[]): Uint8Array => {
    const pixels = new Uint8Array(samples.length * imageBytes)
    samples.forEach((sample, index) => {
      pixels.set(dataset.pixels.subarray(sample * imageBytes, (sample + 1) * imageBytes), index * imageBytes)
    })
    return pixels
  }

  const examined = pickEvenly(all, MAX_EXAMINED)
  const wrong: { sample: number; probability: number }[] = []
  for (let first = 0; first < examined.length; first += BATCH) {
    const batch = examined.slice(first, first + BATCH)
    const probabilities = engine.predict([pixelsOf(batch)])
    batch.forEach((sample, index) => {
      const row = probabilities.subarray(index * classes, (index + 1) * classes)
      const answer = mostProbable(row)
      if (answer !== dataset.labels[sample]) wrong.push({ sample, probability: row[answer]! })
    })
  }
  const mistakes = wrong
    .toSorted((a, b) => b.probability - a.probability || a.sample - b.sample)
    .slice(0, MAX_MISTAKES)
    .map(({ sample }) => sample)
  const samples = mixed(examined, dataset.labels).slice(0, MAX_SAMPLES)

  const shown = [...samples, ...mistakes]
  const { blocks, maps } = featureMaps(engine, description.model.topology, pixelsOf(shown), shown.length)
  const probabilities = engine.predict([pixelsOf(shown)])
  const images = shown.map((sample, index): InspectedImage => ({
    sample,
    label: dataset.labels[sample]!,
    pixels: base64(pixelsOf([sample])),
    probabilities: Array.from(probabilities.subarray(index * classes, (index + 1) * classes), (probability) =>
      Number(probability.toFixed(4)),
    ),
    maps: base64(maps[index]!),
  }))
  return {
    ...{ step, split, examined: examined.length, splitSize: all.length, mistakeCount: wrong.length },
    accuracy: (examined.length - wrong.length) / examined.length,
    imageShape: [dataset.height, dataset.width, dataset.channels],
    blocks,
    samples: images.slice(0, samples.length),
    mistakes: images.slice(samples.length),
  }
}

/** The feature maps of each block for these images, as bytes: for each image the maps of all blocks. */
function featureMaps(
  engine: Engine,
  topology: object,
  pixels: Uint8Array,
  count: number,
): { blocks: InspectedBlock[]; maps: Uint8Array[] } {
  const layers = pickEvenly(blockOutputs(topology), MAX_BLOCKS)
  const maps = Array.from({ length: count }, (): Uint8Array[] => [])
  // A model without convolutions shows none.
  const activations = layers.length === 0 ? [] : engine.activations([pixels], layers)
  const blocks = activations.map(({ shape, values }, block): InspectedBlock => {
    const [height, width, channelCount] = shape as [number, number, number]
    const stride = Math.ceil(Math.max(height, width) / MAX_SIDE_PIXELS)
    const [rows, columns] = [Math.ceil(height / stride), Math.ceil(width / stride)]
    const channels = strongest(values, channelCount)
    const size = height * width * channelCount
    maps.forEach((ofImage, index) => {
      const output = values.subarray(index * size, (index + 1) * size)
      const at = (channel: number, row: number, column: number): number =>
        output[(row * stride * width + column * stride) * channelCount + channel]!
      ofImage.push(mapsOf(at, channels, rows, columns))
    })
    const name = layers[block]!.replace(/_(out|relu)$/, '')
    return { name, height: rows, width: columns, channels, channelCount }
  })
  return { blocks, maps: maps.map((parts) => Buffer.concat(parts)) }
}

/** @returns uint8 `[chosen channel, row, column]`, 255 for the largest value; negative values become 0 */
function mapsOf(
  at: (channel: number, row: number, column: number) => number,
  channels: readonly number[],
  rows: number,
  columns: number,
): Uint8Array {
  const area = rows * columns
  const values = Float32Array.from({ length: channels.length * area }, (_, index) => {
    const place = index % area
    return at(channels[Math.floor(index / area)]!, Math.floor(place / columns), place % columns)
  })
  const brightest = values.reduce((most, value) => Math.max(most, value), 0) || 1
  return Uint8Array.from(values, (value) => Math.round((255 * Math.max(0, value)) / brightest))
}

/** Channels with the largest sum over images and pixels, in ascending order. */
function strongest(output: Float32Array, channelCount: number): number[] {
  const sums = new Float64Array(channelCount)
  output.forEach((value, index) => (sums[index % channelCount]! += value))
  return Array.from(sums.keys())
    .sort((a, b) => sums[b]! - sums[a]! || a - b)
    .slice(0, MAX_CHANNELS)
    .sort((a, b) => a - b)
}

/** At most `most` items at even distances, including the first and the last. */
export function pickEvenly<Item>(items: ArrayLike<Item>, most: number): Item[] {
  const count = Math.min(items.length, most)
  return Array.from(
    { length: count },
    (_, index) => items[Math.floor((index * (items.length - 1)) / (count - 1 || 1))]!,
  )
}

/** Samples in the order: the first of each class, the second of each class, and so on. */
function mixed(samples: readonly number[], labels: Uint16Array): number[] {
  const seen = new Map<number, number>()
  const ranked = samples.map((sample) => {
    const label = labels[sample]!
    const rank = seen.get(label) ?? 0
    seen.set(label, rank + 1)
    return { sample, label, rank }
  })
  return ranked.sort((a, b) => a.rank - b.rank || a.label - b.label).map(({ sample }) => sample)
}

function mostProbable(row: Float32Array): number {
  return row.reduce((best, probability, index) => (probability > row[best]! ? index : best), 0)
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}
