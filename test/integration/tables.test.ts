import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { philox } from '../../src/shared/philox.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-tables-'))
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const STEPS = 60
const ROWS = 400
const runs = path.join(scratch, 'runs')
/** The module of the guide. */
const module = write('my-model.mjs', example())
const houses = write('houses.csv', table())
const RUN = ['train', '--data', houses, '--model', module, '--recipe', 'quick', '--seed', '5', '--json']
const SIZES = ['--batch-size', '32', '--shard-size', '8', '--learning-rate', '0.01', '--optimizer', 'adamw']

function example(): string {
  const page = readFileSync(path.join(packageRoot, 'docs', 'guides', 'tables.md'), 'utf8')
  return /```js\n([^]*?)```/.exec(page)![1]!
}

function write(name: string, content: string): string {
  const file = path.join(scratch, name)
  writeFileSync(file, content)
  return file
}

/** Prices that follow from the other columns, but for noise of up to 10 in either direction. */
function table(): string {
  const words = new Uint32Array(4)
  const rows = Array.from({ length: ROWS }, (_, row) => {
    philox(words, 1, 2, row, 0, 0, 0)
    const [a, b, c, d] = [...words].map((word) => word / 2 ** 32) as [number, number, number, number]
    const district = ['north', 'south', 'west'][Math.floor(3 * c)]!
    const price = 50 + 200 * a + 30 * Math.floor(5 * b) + { north: 0, south: 40, west: -30 }[district]! + 20 * (d - 0.5)
    return [(30 + 100 * a).toFixed(1), Math.floor(5 * b), district, price.toFixed(2)].join(',')
  })
  return ['area,rooms,district,price', ...rows].join('\n')
}

function start(args: readonly string[]): Launch {
  return new Launch(args, tiny.environment, true, process.execPath, runs)
}

async function problemOf(...args: string[]): Promise<string> {
  const launch = start(args)
  assert.equal(await launch.status(), 2, launch.stderr)
  return launch.stderr
}

describe('a model that learns a number from a table', () => {
  let one: Json = {}
  before(async () => {
    one = await start([...RUN, ...SIZES, '--max-steps', `${STEPS}`, '--epochs', '20', '--workers', '1']).result()
  })
  const test = (): Record<string, number> => (one['test'] as { metrics: Record<string, number> }).metrics

  it('learns it', () => {
    // Targets are spread by 75, and noise by 5.8.
    assert.ok(test()['rmse']! < 50, JSON.stringify(test()))
    assert.ok(test()['r2']! > 0.5)
    assert.ok(test()['mae']! < test()['rmse']!)
    assert.equal((one['test'] as Json)['accuracy'], undefined)
  })

  it('has the same weights on any number of workers, and when it is resumed without the module', async () => {
    const whole = ['--max-steps', `${STEPS}`, '--epochs', '20']
    for (const workers of [['--workers', '2'], ['--workers', '3'], ['--standalone']]) {
      const { weightsSha256 } = await start([...RUN, ...SIZES, ...whole, ...workers]).result()
      assert.equal(weightsSha256, one['weightsSha256'], workers.join(' '))
    }
    const first = await start([...RUN, ...SIZES, '--max-steps', '25', '--epochs', '20', '--standalone']).result()
    const resume = ['train', '--resume', String(first['runDirectory']), '--max-steps', `${STEPS}`]
    const { weightsSha256 } = await start([...resume, '--workers', '2', '--json']).result()
    assert.equal(weightsSha256, one['weightsSha256'])
  })

  it('is evaluated and reported, and takes no images', async () => {
    const run = String(one['runDirectory'])
    const { metrics, loss } = await start(['eval', run, '--json']).result()
    assert.deepEqual(metrics, test())
    assert.equal(loss, (one['test'] as Json)['loss'])
    const shown = start(['eval', run])
    assert.equal(await shown.status(), 0, shown.stderr)
    assert.match(shown.stdout, /test: loss [\d.]+, mae [\d.]+, rmse [\d.]+, r2 [\d.]+ on 60 samples of houses/)
    const report = start(['report', run])
    assert.equal(await report.status(), 0, report.stderr)
    assert.match(await problemOf('predict', run, module), /takes no images/)
    const model = JSON.parse(
      readFileSync(path.join(run, 'model', 'best', 'layers-model', 'model.json'), 'utf8'),
    ) as Json
    const { input, output, targets } = model['userDefinedMetadata'] as Json
    assert.deepEqual(input, [{ name: 'features', type: 'float32', shape: [5] }])
    assert.deepEqual([output, (targets as Json[])[0]!['name']], ['numbers', 'price'])
  })

  it('predicts the rows of a table without the target, whose columns are in another order', async () => {
    const run = String(one['runDirectory'])
    const rows = table()
      .split('\n')
      .map((line) => line.split(','))
    const prices = rows.slice(1).map((cells) => Number(cells[3]))
    const file = write(
      'unpriced.csv',
      rows.map(([area, rooms, district]) => [district, area, rooms].join(',')).join('\n'),
    )
    const { predictions } = (await start(['predict', run, file, '--json']).result()) as {
      predictions: { row: number; outputs: { price: number } }[]
    }
    assert.deepEqual(
      predictions.map(({ row }) => row),
      prices.map((_, index) => index + 1),
    )
    const mae = predictions.reduce((sum, { outputs }, at) => sum + Math.abs(outputs.price - prices[at]!), 0) / ROWS
    const { metrics } = await start(['eval', run, '--split', 'all', '--json']).result()
    assert.ok(Math.abs(mae - (metrics as { mae: number }).mae) < 1e-3, `${mae} ${JSON.stringify(metrics)}`)
    const shown = start(['predict', run, file])
    assert.equal(await shown.status(), 0, shown.stderr)
    assert.match(shown.stdout, /│ row │ price/)
  })

  it('takes no table that it has not learnt', async () => {
    const run = String(one['runDirectory'])
    const wrong = (name: string, ...lines: string[]): string => write(name, lines.join('\n'))
    const unknownWord = wrong('word.csv', 'area,rooms,district', '50,2,east')
    assert.match(
      await problemOf('predict', run, unknownWord),
      /sample 1: district is "east", a word that the model has not/,
    )
    const lacking = wrong('lacking.csv', 'area,district', '50,north')
    assert.match(await problemOf('predict', run, lacking), /has no column rooms; the inputs are area, rooms, district/)
    const words = wrong('words.csv', 'area,rooms,district', 'large,2,north')
    assert.match(await problemOf('predict', run, words), /sample 1: area is "large", and the model has learnt numbers/)
  })

  it('that cannot be trained is rejected before anything starts', async () => {
    const withoutModel = RUN.filter((word) => word !== '--model' && word !== module)
    assert.match(await problemOf(...withoutModel), /400 samples of features \(5\).*takes images.*--model/)
    assert.match(await problemOf(...RUN, '--stratified'), /no classes to spread evenly/)
    const narrow = write(
      'narrow.mjs',
      'export default ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [4], units: 1 })] })',
    )
    assert.match(await problemOf(...RUN, '--model', narrow), /its input is 4, and that of the data set 5/)
    const wide = write(
      'wide.mjs',
      'export default ({ tf, inputShape }) => tf.sequential({ layers: [tf.layers.dense({ inputShape, units: 3 })] })',
    )
    assert.match(await problemOf(...RUN, '--model', wide), /its output is 3, and the data set has 1 numbers? to learn/)
  })

  it('is imported again, in the same way, when the file has changed', async () => {
    const copy = write('copy.csv', table())
    assert.equal(await start(['data', 'import', copy, '--target', 'rooms', '--classes']).status(), 0)
    writeFileSync(copy, `${table()}\n77.7,4,south,300`)
    const info = await start(['data', 'info', copy, '--json']).result()
    assert.equal(info['count'], ROWS + 1)
    assert.deepEqual(
      (info['classes'] as { name: string }[]).map(({ name }) => name),
      ['0', '1', '2', '3', '4'],
    )
  })
})

describe('a model that learns classes from a table', () => {
  it('has an accuracy and the confusion of their names', async () => {
    const rows = Array.from(
      { length: 90 },
      (_, row) => `${(row % 3) + (row % 7) / 10},${row % 5},${['rose', 'iris', 'lily'][row % 3]}`,
    )
    const flowers = write('flowers.csv', ['a,b,kind', ...rows].join('\n'))
    const run = ['train', '--data', flowers, '--model', module, '--recipe', 'quick', '--stratified', '--standalone']
    const sizes = ['--batch-size', '16', '--shard-size', '8', '--epochs', '60', '--optimizer', 'adamw']
    const { test, classNames } = await start([...run, ...sizes, '--learning-rate', '0.02', '--json']).result()
    assert.deepEqual(classNames, ['iris', 'lily', 'rose'])
    assert.ok(((test as Json)['accuracy'] as number) > 0.8)
    assert.match(await problemOf(...run, '--loss', 'huberLoss'), /--loss huberLoss: flowers\.csv has classes/)
  })
})
