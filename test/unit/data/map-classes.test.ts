import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findOverlap } from '../../../src/data/image-overlap.js'
import { classesWithout, mapClasses } from '../../../src/data/map-classes.js'
import type { Dataset } from '../../../src/data/dataset.js'
import type { ConvoyError } from '../../../src/shared/errors.js'

/** One image of a pixel for each label; `pixels` are its values. */
function dataset(
  classNames: readonly string[],
  labels: readonly number[],
  pixels = labels.map((_, at) => at),
): Dataset {
  return {
    ...{ name: 'x', fingerprint: 'f', count: labels.length, height: 1, width: 1, channels: 1, classNames },
    ...{ pixels: Uint8Array.from(pixels), labels: Uint16Array.from(labels) },
  }
}

const refused =
  (...parts: readonly RegExp[]) =>
  (error: ConvoyError): boolean => {
    for (const part of parts) assert.match(error.message, part)
    return error.exitStatus === 2
  }

describe('classes in another order than the model has them', () => {
  it('are mapped by name: numbers sorted as text stand elsewhere than numbers in order', () => {
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

  it('are mapped where a file system normalised their names', () => {
    const [composed, decomposed] = ['caf\u00e9', 'cafe\u0301']
    const { classNames, labels } = mapClasses(dataset([decomposed, 'bar'], [0, 1]), ['bar', composed], '--data x')
    assert.deepEqual(classNames, ['bar', composed])
    assert.deepEqual([...labels], [1, 0])
  })
})

describe('classes that cannot be mapped', () => {
  it('are named with those of the model, and with what may have been meant', () => {
    assert.throws(
      () => mapClasses(dataset(['Cat', 'dog house', 'dog'], [0, 1, 2]), ['cat', 'dog', 'dog_house'], '--data pets'),
      refused(
        /^--data pets: the model does not know 2 of the classes: Cat \(did you mean "cat"\?\), dog house \(did you mean "dog_house"\?\)\./,
        /Its classes are cat, dog, dog_house\./,
      ),
    )
  })

  it('do not make a message that is longer than a screen', () => {
    const names = Array.from({ length: 1_000 }, (_, number) => `class ${number}`)
    const others = names.map((name) => `other ${name}`)
    assert.throws(
      () => mapClasses(dataset(others, [0]), names, '--data x'),
      refused(/1000 of the classes: other class 0, .* and 980 more\. Its classes are class 0, .* and 980 more\./),
    )
  })

  it('are two of one name, in the data set or in the model', () => {
    const twice = ['caf\u00e9', 'cafe\u0301']
    assert.throws(
      () => mapClasses(dataset(twice, [0, 1]), ['caf\u00e9', 'bar'], '--data x'),
      refused(/^--data x: the data set has two classes "café" \(numbers 0 and 1\)/),
    )
    assert.throws(
      () => mapClasses(dataset(['bar', 'cat'], [0, 1]), ['bar', 'bar'], '--data x'),
      refused(/^--data x: the model has two classes "bar" \(numbers 0 and 1\)/),
    )
  })
})

describe('classes without samples', () => {
  it('are those that none of the samples in question has', () => {
    const { classNames, labels } = dataset(['a', 'b', 'c'], [0, 0, 2, 1])
    assert.deepEqual(classesWithout({ classNames, labels }, Uint32Array.of(0, 1, 2)), ['b'])
    assert.deepEqual(classesWithout({ classNames, labels }, Uint32Array.of(0, 1, 2, 3)), [])
  })
})

describe('images of a measurement that the run had before', () => {
  const split = { train: Uint32Array.of(0, 1, 2), validation: Uint32Array.of(3), test: Uint32Array.of(4, 5) }

  it('are found in the test split of the run itself, whatever their labels', () => {
    const own = dataset(['a', 'b'], [0, 0, 0, 0, 1, 1], [10, 11, 12, 13, 11, 14])
    assert.deepEqual(findOverlap(own, split.test, { dataset: own, split }), { training: 1, validation: 0 })
  })

  it('are counted once each, as of the training split where they are in both', () => {
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
