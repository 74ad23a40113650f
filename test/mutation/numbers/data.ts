import type { NumberMutation } from '../mutation.js'

const SPLIT = {
  file: 'data/sampling/split.js',
  tests: ['unit/data/data-split-and-stream', 'unit/training/semantics-vectors'],
}
const STREAM = {
  file: 'data/sampling/sample-stream.js',
  tests: ['unit/data/data-split-and-stream', 'unit/training/semantics-vectors'],
}
const CIFAR = { file: 'data/formats/cifar-binary.js', tests: ['unit/data/data-import / interleaved RGB'] }
const IDX = { file: 'data/formats/idx.js', tests: ['unit/data/data-import / both parts pooled'] }
const PIXELS = { file: 'data/formats/decode-pixels.js', tests: ['unit/data/image-formats / with alpha'] }
const SCALED = { file: 'data/formats/decode-pixels.js', tests: ['unit/data/decode-pixels'] }
const OVERLAP = { file: 'data/image-overlap.js', tests: ['unit/data/image-overlap'] }
const FOLDER = { file: 'data/formats/decode-images.js', tests: ['unit/data/data-import'] }
const CLASSES = { file: 'data/map-classes.js', tests: ['unit/data/map-classes'] }
const STORED = { file: 'data/cache/packed-cache.js', tests: ['unit/data/data-embedded'] }

/** Import of images, and the order of samples. */
export const DATA: readonly NumberMutation[] = [
  {
    ...SPLIT,
    name: 'the size of the training split is rounded up',
    find: 'Math.floor((count * 7) / 10)',
    replace: 'Math.ceil((count * 7) / 10)',
  },
  {
    ...SPLIT,
    name: 'the odd sample goes to the test split',
    find: 'Math.ceil((count - train) / 2)',
    replace: 'Math.floor((count - train) / 2)',
  },
  { ...SPLIT, name: 'the splits are not sorted', find: 'samples.sort();', replace: ';' },
  {
    ...SPLIT,
    name: 'stratified remainders go to the groups with the smallest',
    find: 'b.remainder - a.remainder',
    replace: 'a.remainder - b.remainder',
  },
  {
    ...SPLIT,
    name: 'of equal stratified remainders the higher label gets one more',
    find: 'a.index - b.index',
    replace: 'b.index - a.index',
  },
  {
    ...SPLIT,
    name: 'stratified validation is divided over whole groups',
    find: 'size - trainSizes[group]',
    replace: 'size',
  },
  {
    ...SPLIT,
    name: 'stratified groups are in the order of first labels',
    find: '.sort(([a], [b]) => a - b)',
    replace: '',
  },
  {
    ...SPLIT,
    name: 'a permutation leaves no element in its place',
    find: 'integerBelow(last + 1, stream, last)',
    replace: 'integerBelow(last, stream, last)',
  },
  {
    ...STREAM,
    name: 'every epoch has the same order',
    find: 'permutation(this.#train.length, this.#random, epoch)',
    replace: 'permutation(this.#train.length, this.#random, 0)',
  },
  {
    ...STREAM,
    name: 'the epoch of a sample is that of its step',
    find: 'epochs[index] = epoch;',
    replace: 'epochs[index] = Math.floor((step * batchSize) / this.#train.length);',
  },
  {
    ...STREAM,
    name: 'a batch begins its epoch anew instead of reaching into the next',
    find: 'const first = step * batchSize + shard * shardSize;',
    replace:
      'const perEpoch = Math.ceil(this.#train.length / batchSize); const first = Math.floor(step / perEpoch) * this.#train.length + (step % perEpoch) * batchSize + shard * shardSize;',
  },
  {
    file: 'shared/philox.js',
    tests: ['unit/shared/philox-vectors', 'unit/training/semantics-vectors'],
    name: 'draws below a bound have a modulo bias',
    find: 'if (word < limit)',
    replace: 'if (true)',
  },
  {
    file: 'shared/philox.js',
    tests: ['unit/shared/philox-vectors', 'unit/training/semantics-vectors'],
    name: 'a unit draw has the lower 24 bits of its word',
    find: '(word >>> 8) / 0x1000000',
    replace: '(word & 0xffffff) / 0x1000000',
  },
  {
    ...CIFAR,
    name: 'the colours of CIFAR-10 are read as blue, green, red',
    find: 'channel * PLANE + pixel];',
    replace: '(2 - channel) * PLANE + pixel];',
  },
  {
    ...CIFAR,
    name: 'the files of CIFAR-10 begin with the test batch',
    find: 'const sample = batchIndex * RECORDS + record;',
    replace: 'const sample = ((batchIndex + 1) % BATCHES.length) * RECORDS + record;',
  },
  {
    ...IDX,
    name: 'height and width of IDX files are swapped',
    find: 'bytes.readUInt32BE(8), bytes.readUInt32BE(12)]',
    replace: 'bytes.readUInt32BE(12), bytes.readUInt32BE(8)]',
  },
  {
    ...IDX,
    name: 'the second part of an IDX data set comes first in its labels',
    find: 'Buffer.concat(parts.map((part) => part.labels.bytes))',
    replace: 'Buffer.concat(parts.toReversed().map((part) => part.labels.bytes))',
  },
  {
    ...PIXELS,
    name: 'transparent pixels are blended onto white',
    find: '.flatten()',
    replace: ".flatten({ background: '#ffffff' })",
  },
  {
    ...PIXELS,
    tests: ['unit/data/data-import / rotation of EXIF'],
    name: 'photos are not rotated by EXIF',
    find: '.autoOrient();\n        if (size',
    replace: ';\n        if (size',
  },
  {
    ...PIXELS,
    tests: ['unit/data/data-import / of another ratio'],
    name: 'an image of another ratio is squeezed instead of cropped',
    find: "fit: 'cover'",
    replace: "fit: 'fill'",
  },
  {
    ...FOLDER,
    tests: ['unit/data/data-import / in place of a broken'],
    name: 'an image that cannot be decoded shifts the labels behind it',
    find: 'Uint16Array.from(kept, (index) =>',
    replace: 'Uint16Array.from(kept, (_, index) =>',
  },
  {
    ...CLASSES,
    name: 'labels of another data set keep their numbers',
    find: 'Uint16Array.from(dataset.labels, (label) => labels[label])',
    replace: 'dataset.labels',
  },
  {
    ...CLASSES,
    name: 'class names in another Unicode normalisation count as different',
    find: "return name.normalize('NFC');",
    replace: 'return name;',
  },
  {
    ...STORED,
    file: 'data/cache/packed-layout.js',
    name: 'the fingerprint leaves out the names of the classes',
    find: 'JSON.stringify({ count, height, width, channels, classNames })',
    replace: 'JSON.stringify({ count, height, width, channels })',
  },
  {
    file: 'data/cache/packed-cache.js',
    tests: ['unit/data/data-import / detects damage'],
    name: 'a data set with a flipped bit is loaded',
    find: 'if (fingerprintOf(info, blocksOf(bytes)) !== fingerprint)',
    replace: 'if (false)',
  },
  {
    ...SCALED,
    name: 'images are scaled by the nearest pixel',
    find: "kernel: 'lanczos3'",
    replace: "kernel: 'nearest'",
  },
  {
    ...SCALED,
    name: 'images for a grey model have colours',
    find: "channels === 1 ? 'b-w' : 'srgb'",
    replace: "'srgb'",
  },
  {
    ...OVERLAP,
    name: 'images of the test split count as images of the validation split',
    find: 'hashesOf(trained.dataset, trained.split.validation)',
    replace: 'hashesOf(trained.dataset, trained.split.test)',
  },
  {
    ...OVERLAP,
    name: 'an image of two splits is counted twice',
    find: 'else if (validation.has(hash))',
    replace: 'if (validation.has(hash))',
  },
  {
    file: 'data/sampling/choose-samples.js',
    tests: ['unit/data/data-split-and-stream'],
    name: 'the test split of a stratified run is evaluated without stratification',
    find: 'splitDataset(dataset, seed, stratified, validationSamples)',
    replace: 'splitDataset(dataset, seed, false, validationSamples)',
  },
]
