import type { NumberMutation } from '../mutation.js'

const DRAWN = {
  file: 'data/sampling/augmentation.js',
  tests: ['unit/training/semantics-vectors', 'unit/data/data-augmentation'],
}
const APPLIED = {
  file: 'tensorflow/engine/fused-ops.js',
  tests: ['unit/training/semantics-vectors', 'unit/tensorflow/engine-augmentation'],
}

/** Flip, rotation and zoom. */
export const AUGMENTATION: readonly NumberMutation[] = [
  {
    ...DRAWN,
    name: 'the augmentation of a sample is the same in every epoch',
    find: 'random.words(epoch, sample)',
    replace: 'random.words(0, sample)',
  },
  {
    ...DRAWN,
    name: 'all samples of an epoch have one augmentation',
    find: 'random.words(epoch, sample)',
    replace: 'random.words(epoch, 0)',
  },
  { ...DRAWN, name: 'the other half of the samples is mirrored', find: '< 0.5 ? -1 : 1', replace: '>= 0.5 ? -1 : 1' },
  {
    ...DRAWN,
    name: 'images are turned the other way',
    find: '* config.rotationDegrees',
    replace: '* -config.rotationDegrees',
  },
  {
    ...DRAWN,
    name: 'images are turned by half of the angle',
    find: '(2 * toUnit(angleWord) - 1)',
    replace: '(toUnit(angleWord) - 0.5)',
  },
  {
    ...DRAWN,
    name: 'images are mirrored after they are turned',
    find: 'const a1 = -mirror * scale * sine;\n    const b0 = scale * sine;',
    replace: 'const a1 = -scale * sine;\n    const b0 = mirror * scale * sine;',
  },
  {
    ...DRAWN,
    name: 'the zoom is applied to x only',
    find: 'const b1 = scale * cosine;',
    replace: 'const b1 = cosine;',
  },
  {
    ...DRAWN,
    name: 'the zoom of x is drawn for y',
    find: 'const b0 = scale * sine;\n    const b1 = scale * cosine;',
    replace:
      'const zoomY = 1 + (2 * toUnit(angleWord) - 1) * config.zoom; const b0 = zoomY * sine;\n    const b1 = zoomY * cosine;',
  },
  {
    ...DRAWN,
    name: 'a zoom above 1 enlarges',
    find: 'const scale = 1 + (2',
    replace: 'const scale = 1 - (2',
  },
  {
    ...DRAWN,
    name: 'images are turned about a point half a pixel beside their centre',
    find: '(image.width - 1) / 2',
    replace: 'image.width / 2',
  },
  {
    ...DRAWN,
    name: 'the centre of an image that is not square is computed from its height only',
    find: '(image.width - 1) / 2',
    replace: '(image.height - 1) / 2',
  },
  {
    ...DRAWN,
    name: 'the angle has the draw of the zoom',
    find: '[flipWord, angleWord, zoomWord]',
    replace: '[flipWord, zoomWord, angleWord]',
  },
  { ...APPLIED, name: 'augmented pixels are the nearest ones', find: "'BILINEAR'", replace: "'NEAREST'" },
  {
    ...APPLIED,
    name: 'the fill mode is always reflect',
    find: 'fillMode.toUpperCase()',
    replace: "'REFLECT'",
  },
  {
    ...APPLIED,
    name: 'the outside of an image is white',
    find: 'this.#tf.scalar(0)',
    replace: 'this.#tf.scalar(1)',
  },
]
