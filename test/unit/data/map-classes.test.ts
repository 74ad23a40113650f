import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findOverlap } from '../../../src/data/image-overlap.js'
import { classesWithout, mapClasses } from '../../../src/data/map-classes.js'
import type { Images } from '../../../src/data/dataset.js'
import type { ConvoyError } from '../../../src/shared/errors.js'

/** One image of a single pixel per label; `pixels` are the values. */
function dataset(classNames: readonly string[], labels: readonly number[], pixels = labels.map((_, at) => at)): Images {
  return {
    ...{ name: 'x', fingerprint: 'f', count: labels.length, height: 1, width: 1, channels: 1, classNames },
    ...{ pixels: Uint8Array.from(pixels), labels: Uint16Array.from(labels) },
  }
}

const rejectedWith =
  (...parts: readonly RegExp[]) =>
  (error: ConvoyError): boolean => {
    for (const part of parts) assert.match(error.message, part)
    return error.exitStatus === 2
  }

describe('mapping of classes in another order than the model', () => {
  it('matches names, also numbers that are sorted as text', () => {
    const model = Array.from({ length: 12 }, (_, number) => String(number))
    const sorted = model.toSorted()
    assert.notDeepEqual(sorted, model)
    const { classNames, labels, pixels } = mapClasses(
      dataset(
        sorted,
        sorted.map((_, label) => label),
      ),
      model,
      '--data x',
    )
    assert.deepEqual(classNames, model)
    assert.deepEqual(
      [...labels].map((label) => model[label]),
      sorted,
    )
    assert.equal(pixels.length, 12)
  })

  it('matches names in another Unicode normalisation', () => {
    const [composed, decomposed] = ['caf\u00e9', 'cafe\u0301']
    const { classNames, labels } = mapClasses(dataset([decomposed, 'bar'], [0, 1]), ['bar', composed], '--data x')
    assert.deepEqual(classNames, ['bar', composed])
    assert.deepEqual([...labels], [1, 0])
  })
})

describe('mapping of unknown classes', () => {
  it('names the classes of the model, and proposes a similar one', () => {
    assert.throws(
      () => mapClasses(dataset(['Cat', 'dog house', 'dog'], [0, 1, 2]), ['cat', 'dog', 'dog_house'], '--data pets'),
      rejectedWith(
        /^--data pets: the model does not know 2 of the classes: Cat \(did you mean "cat"\?\), dog house \(did you mean "dog_house"\?\)\./,
        /Its classes are cat, dog, dog_house\./,
      ),
    )
  })

  it('limits the length of the message', () => {
    const names = Array.from({ length: 1_000 }, (_, number) => `class ${number}`)
    const others = names.map((name) => `other ${name}`)
    assert.throws(
      () => mapClasses(dataset(others, [0]), names, '--data x'),
      rejectedWith(/1000 of the classes: other class 0, .* and 980 more\. Its classes are class 0, .* and 980 more\./),
    )
  })

  it('rejects two classes of one name, in the data set or in the model', () => {
    const twice = ['caf\u00e9', 'cafe\u0301']
    assert.throws(
      () => mapClasses(dataset(twice, [0, 1]), ['caf\u00e9', 'bar'], '--data x'),
      rejectedWith(/^--data x: the data set has two classes "café" \(numbers 0 and 1\)/),
    )
    assert.throws(
      () => mapClasses(dataset(['bar', 'cat'], [0, 1]), ['bar', 'bar'], '--data x'),
      rejectedWith(/^--data x: the model has two classes "bar" \(numbers 0 and 1\)/),
    )
  })
})

describe('classes without samples', () => {
  it('are the classes that none of the given samples has', () => {
    const { classNames, labels } = dataset(['a', 'b', 'c'], [0, 0, 2, 1])
    assert.deepEqual(classesWithout({ classNames, labels }, Uint32Array.of(0, 1, 2)), ['b'])
    assert.deepEqual(classesWithout({ classNames, labels }, Uint32Array.of(0, 1, 2, 3)), [])
  })
})

describe('overlap of evaluated images with those of the run', () => {
  const split = { train: Uint32Array.of(0, 1, 2), validation: Uint32Array.of(3), test: Uint32Array.of(4, 5) }

  it('is found in the test split of the run, regardless of labels', () => {
    const own = dataset(['a', 'b'], [0, 0, 0, 0, 1, 1], [10, 11, 12, 13, 11, 14])
    assert.deepEqual(findOverlap(own, split.test, { dataset: own, split }), { training: 1, validation: 0 })
  })

  it('counts each image once, as training where it is in both splits', () => {
    const own = dataset(['a', 'b'], [0, 0, 0, 0, 1, 1], [10, 10, 12, 12, 20, 21])
    const other = dataset(['a', 'b'], [0, 1, 0, 1], [12, 10, 10, 30])
    const all = Uint32Array.of(0, 1, 2, 3)
    assert.deepEqual(findOverlap(other, all, { dataset: own, split }), { training: 3, validation: 0 })
    const { validation } = findOverlap(dataset(['a', 'b'], [0, 1], [13, 12]), Uint32Array.of(0, 1), {
      dataset: dataset(['a', 'b'], [0, 0, 0, 0, 1, 1], [10, 11, 12, 13, 11, 14]),
      split,
    })
    assert.equal(validation, 1)
  })
})
