import type { NumberMutation } from '../mutation.js'

const RATE = { file: 'reporting/throughput.js', tests: ['unit/reporting/reporting'] }
const BAR = { file: 'reporting/sinks/progress-line.js', tests: ['unit/reporting/reporting'] }
const TIMELINE = { file: 'reporting/page/timeline.js', tests: ['unit/reporting/timeline', 'unit/reporting/serve-page'] }
const RESUMED = { tests: ['unit/reporting/read-timeline'] }
const LINES = { file: 'reporting/sinks/metrics-file.js', tests: ['unit/reporting/reporting'] }
const TABLE = { file: 'reporting/final-table.js', tests: ['unit/training/trainer', 'unit/reporting/reporting'] }
const HISTOGRAM = {
  file: 'reporting/sinks/tensorboard/histogram.js',
  tests: ['unit/reporting/tensorboard / counts every value|all equal|on a limit'],
}
const RECORD = {
  file: 'reporting/sinks/tensorboard/event-file.js',
  tests: ['unit/reporting/tensorboard / valid checksums'],
}
const IMAGE = {
  file: 'reporting/sinks/tensorboard/images.js',
  tests: ['unit/reporting/tensorboard / of a confusion matrix|of kernels'],
}
const SCALARS = {
  file: 'reporting/sinks/tensorboard/tensorboard-report.js',
  tests: ['unit/reporting/tensorboard / valid checksums'],
}

/** Reports of a run to users and programs. */
export const REPORTING: readonly NumberMutation[] = [
  {
    ...RATE,
    name: 'the rate of a run counts its first step',
    find: 'if (this.#measured > 0)',
    replace: 'if (this.#measured >= 0)',
  },
  {
    ...RATE,
    name: 'the rate of a run is per millisecond',
    find: '(1000 * this.#batchSize) / this.#stepMs',
    replace: 'this.#batchSize / this.#stepMs',
  },
  {
    ...RATE,
    name: 'the remaining time is the elapsed time',
    find: '(this.#totalSteps - this.#step) * this.#stepMs',
    replace: 'this.#step * this.#stepMs',
  },
  {
    ...RATE,
    name: 'the rate of a run follows its second step for too long',
    find: 'Math.max(MIN_WEIGHT, 1 / this.#measured)',
    replace: '(this.#measured === 1 ? 1 : MIN_WEIGHT)',
  },
  {
    file: 'reporting/run-progress.js',
    tests: ['unit/reporting/checkpoint-status'],
    name: 'the age of a checkpoint is its time',
    find: 'this.#wallSeconds() - writtenSeconds',
    replace: 'writtenSeconds',
  },
  {
    ...RESUMED,
    file: 'reporting/page/timeline.js',
    name: 'the workers of a killed coordinator stay until the run goes on',
    find: 'leftSeconds: this.#lastSeconds',
    replace: 'leftSeconds: timeSeconds',
  },
  {
    ...RESUMED,
    file: 'reporting/page/read-timeline.js',
    name: 'the rate of a report counts replayed steps',
    find: 'if (!event.replayed)',
    replace: 'if (event)',
  },
  {
    ...BAR,
    name: 'the progress line shows the rate of each worker',
    find: '`${samplesPerSecond.toFixed(0)} samples/s`',
    replace: '`${(samplesPerSecond / event.workers).toFixed(0)} samples/s`',
  },
  {
    ...LINES,
    name: 'times in metrics.jsonl are milliseconds',
    find: 'time: this.#wallSeconds()',
    replace: 'time: 1000 * this.#wallSeconds()',
  },
  {
    ...TIMELINE,
    name: 'a point of many steps shows the last one instead of their mean',
    find: 'const whole = merged(this.#gathered);',
    replace: 'const whole = this.#gathered.at(-1);',
  },
  {
    ...TIMELINE,
    name: 'the page swaps loss and accuracy of an evaluation',
    find: 'return { split, step, epoch, loss, best, ...measured };',
    replace: 'return { split, step, epoch, best, ...measured, loss: accuracy, accuracy: loss };',
  },
  {
    ...HISTOGRAM,
    name: 'the limits of a histogram are one bucket early',
    find: 'min + (place + 1) * width',
    replace: 'min + place * width',
  },
  {
    ...HISTOGRAM,
    name: 'a histogram leaves out its largest value',
    find: 'bucket[Math.min(place, buckets - 1)]++;',
    replace: 'bucket[place]++;',
  },
  {
    ...HISTOGRAM,
    name: 'the squares of a histogram are absolute values',
    find: 'sumSquares += value * value;',
    replace: 'sumSquares += Math.abs(value);',
  },
  {
    ...RECORD,
    name: 'the checksum of a record is not masked',
    find: 'bytes.writeUInt32LE(maskedCrc32c(data), HEADER_BYTES + data.length);',
    replace: 'bytes.writeUInt32LE(0, HEADER_BYTES + data.length);',
  },
  {
    ...IMAGE,
    name: 'the confusion image is transposed',
    find: 'encode(Uint8Array.from(shades),',
    replace:
      'encode(Uint8Array.from(shades, (_, at) => shades[(at % confusion.length) * confusion.length + Math.floor(at / confusion.length)]),',
  },
  {
    ...IMAGE,
    name: 'the colours of kernels are blue, green, red',
    find: 'tensor[(cell * channels + channel) * kernels + kernel]',
    replace: 'tensor[(cell * channels + channels - 1 - channel) * kernels + kernel]',
  },
  {
    ...SCALARS,
    name: 'images per second on TensorBoard are per millisecond',
    find: '(1000 * this.#batchSize) / durationMs',
    replace: 'this.#batchSize / durationMs',
  },
  {
    ...TABLE,
    file: 'shared/units.js',
    name: 'a share of 55 % is shown as 0.55 %',
    find: '(100 * share).toFixed(1)',
    replace: 'share.toFixed(2)',
  },
  {
    ...TABLE,
    file: 'shared/units.js',
    name: 'minutes are shown as hours',
    find: 'if (whole < 3600)',
    replace: 'if (whole < 60)',
  },
]
