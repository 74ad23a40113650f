import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { loadPackedDataset } from '../../../src/data/cache/packed-cache.js'
import { storeDataset } from '../../../src/data/cache/store-dataset.js'
import type { DecodedArrays } from '../../../src/data/formats/dataset-format.js'
import { csvTable } from '../../../src/data/formats/csv-table.js'
import type { TableOptions } from '../../../src/data/formats/dataset-format.js'
import type { ConvoyError } from '../../../src/shared/errors.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-table-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

function read(text: string, options: TableOptions = {}, name = 'table.csv'): DecodedArrays & { notes: string[] } {
  const file = path.join(scratch, name)
  writeFileSync(file, text)
  const { decoded, notes } = csvTable.readFile!(file, 'table', options) as unknown as {
    decoded: DecodedArrays
    notes: string[]
  }
  return { ...decoded, notes }
}

function valuesOf({ inputValues, targetValues, sampleWeights, labels }: DecodedArrays): object {
  return { inputValues, targetValues, sampleWeights, labels }
}

function isRejected(text: string, code: string, ...parts: RegExp[]): void {
  assert.throws(
    () => read(text),
    (error: ConvoyError) => {
      assert.equal(error.code, code)
      for (const part of parts) assert.match(error.message, part)
      return true
    },
  )
}

describe('a table', () => {
  it('has its numbers as inputs, and its last column as the target', () => {
    const table = read('area,rooms,price\n50.5,2,100\n-1e2,3,.5\n')
    assert.equal(table.count, 2)
    assert.deepEqual(table.inputs, [{ name: 'features', type: 'float32', shape: [2] }])
    assert.deepEqual([...table.inputValues[0]!], [50.5, 2, -100, 3])
    assert.deepEqual(table.targets, [{ name: 'price', type: 'float32', shape: [] }])
    assert.deepEqual([...table.targetValues[0]!], [100, 0.5])
    assert.deepEqual([table.classNames, table.labels.length], [[], 0])
    assert.match(table.notes.join(' '), /The target is price: numbers .*The inputs are area, rooms/)
  })

  it('keeps how its columns became inputs, beside the fingerprint', async () => {
    const { notes: _notes, ...table } = read('area,kind,price\n50,b,1\n60,a,2\n')
    const features = [{ name: 'area' }, { name: 'kind', words: ['a', 'b'] }]
    assert.deepEqual(table.features, features)
    const { features: _features, ...unnamed } = table
    Object.assign(process.env, { CONVOY_CACHE: path.join(scratch, 'cache') })
    const before = await storeDataset(unnamed, { nameIsChosen: false })
    assert.equal('features' in before, false)
    const after = await storeDataset(table, { nameIsChosen: false })
    assert.equal(after.fingerprint, before.fingerprint)
    assert.deepEqual('features' in after && after.features, features)
    assert.deepEqual(await loadPackedDataset(after.fingerprint), { ...after, ...valuesOf(table) })
  })

  it('has another target with --target, in any place', () => {
    const table = read('a,b,c\n1,2,3\n4,5,6\n', { targets: ['b'] })
    assert.deepEqual([...table.inputValues[0]!], [1, 3, 4, 6])
    assert.deepEqual([...table.targetValues[0]!], [2, 5])
  })

  it('has an output for each target, of several columns of numbers or of words, and weights of the samples', () => {
    const text = 'a,b,c,kind,w\n1,2,3,lily,1\n4,5,6,iris,0.5\n'
    const table = read(text, { targets: ['c,a', 'kind'], weights: 'w' })
    assert.deepEqual([...table.inputValues[0]!], [2, 5])
    assert.deepEqual(table.targets, [
      { name: 'c,a', type: 'float32', shape: [2] },
      { name: 'kind', type: 'int32', shape: [], classNames: ['iris', 'lily'] },
    ])
    assert.deepEqual(
      table.targetValues.map((values) => [...values]),
      [
        [3, 1, 6, 4],
        [1, 0],
      ],
    )
    assert.deepEqual([table.hasWeights, [...table.sampleWeights]], [true, [1, 0.5]])
    assert.match(table.notes.join(' '), /output 2 is kind: 2 classes\. The weight of each sample is w/)
  })

  it('has classes, in the order of their names, where the target is words', () => {
    const table = read('a,kind\n1,rose\n2,iris\n3,rose\n')
    assert.deepEqual(table.classNames, ['iris', 'rose'])
    assert.deepEqual([...table.labels], [1, 0, 1])
    assert.deepEqual([table.targets, table.targetValues], [[], []])
  })

  it('has classes with --classes, where the target is numbers', () => {
    const table = read('a,digit\n1,7\n2,10\n3,7\n', { classTarget: true })
    assert.deepEqual(table.classNames, ['10', '7'])
    assert.deepEqual([...table.labels], [1, 0, 1])
  })

  it('has an input for each word of a column, and says so', () => {
    const table = read('colour,size,y\nred,1,0\nblue,2,0\nred,3,0\n')
    assert.deepEqual(table.inputs[0]!.shape, [3])
    assert.deepEqual([...table.inputValues[0]!], [0, 1, 1, 1, 0, 2, 0, 1, 3])
    assert.match(table.notes.join(' '), /colour is words and becomes 2 inputs.*blue, red/)
  })

  it('is read with semicolons, tabs, quotes, a byte order mark, spaces and empty lines', () => {
    for (const [text, name] of [
      ['\ufeffa;b\n1;2\n\n3;4\n', 'table.csv'],
      ['a\tb\n1\t2\n3\t4\n', 'table.tsv'],
      ['a\tb\n1\t2\n3\t4', 'table.csv'],
      ['"a", b\r\n"1", 2\r\n3,4\r\n', 'table.csv'],
    ] as const)
      assert.deepEqual([...read(text, {}, name).inputValues[0]!], [1, 3], JSON.stringify(text))
    const quoted = read('name,y\n"Smith, John",1\n"O""Hara",2\n')
    assert.match(quoted.notes.join(' '), /O"Hara, Smith, John/)
  })

  it('that cannot be used is rejected with the place and the remedy', () => {
    isRejected('a,b\n1,2\n3\n', 'data', /Invalid Record Length.*line 3/)
    isRejected('a,b\n1,2\n,4\n', 'data', /sample 2: a is empty; fill it in/)
    isRejected('1,2\n3,4\n', 'data', /first line has "1" in place of a name; put a line with the names/)
    isRejected('a,a\n3,4\n', 'data', /two columns are called a/)
    isRejected('a,b\n', 'data', /holds no samples/)
    isRejected('a\n1\n2\n', 'data', /no column for the inputs/)
    isRejected('a,b\n1e39,1\n', 'data', /sample 1: a is 1e39, more than float32 holds/)
    isRejected('a,b\n1,1\n1,-1e39\n', 'data', /sample 2: b is -1e39/)
    const words = Array.from({ length: 101 }, (_, index) => `w${index},1`).join('\n')
    isRejected(`a,b\n5,1\n${words}\n`, 'data', /sample 2: a is "w0".*102 different values/)
    const rejects = (text: string, options: TableOptions, message: RegExp): void => {
      assert.throws(() => read(text, options), { code: 'usage', message })
    }
    const two = 'a,b,c\n1,x,2\n3,y,4\n'
    rejects(two, { targets: ['a', 'a'] }, /the column a is named twice/)
    rejects(two, { targets: ['a,b'] }, /the column b has words.*give each its own with/)
    rejects(two, { targets: ['a', 'b'], classTarget: true }, /--classes` is for one target/)
    rejects(two, { weights: 'd' }, /no column d.*--sample-weight/)
    assert.throws(() => read(two, { targets: ['a'], weights: 'b' }), /sample 1: b is x; a weight is a number/)
    isRejected('a,b\n1,x\n2,x\n', 'data', /the target b has one value only/)
    assert.throws(() => read('a,b\n1,2\n', { targets: ['c'] }), /table\.csv has no column c; it has a, b/)
  })
})
