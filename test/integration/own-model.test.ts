import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-own-model-'))
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const STEPS = 12
const RUN = ['train', '--recipe', 'quick', '--data', tiny.directory, '--seed', '5', '--json']
/** The module of the guide. */
const module = write('my-model.mjs', example())
const runs = path.join(scratch, 'runs')

function example(): string {
  const page = readFileSync(path.join(packageRoot, 'docs', 'guides', 'your-own-model.md'), 'utf8')
  return /```js\n([^]*?)```/.exec(page)![1]!
}

function write(name: string, content: string): string {
  const file = path.join(scratch, name)
  writeFileSync(file, content)
  return file
}

function start(args: readonly string[]): Launch {
  return new Launch(args, tiny.environment, true, process.execPath, runs)
}

async function problemOf(...args: string[]): Promise<string> {
  const launch = start([...RUN, '--max-steps', '1', '--standalone', ...args])
  assert.equal(await launch.status(), 2, launch.stderr)
  return launch.stderr
}

describe('a model of a module', () => {
  let one: Json = {}
  before(async () => {
    one = await start([...RUN, '--model', module, '--max-steps', `${STEPS}`, '--workers', '1']).result()
  })

  it('has the same weights on any number of workers', async () => {
    for (const workers of [['--workers', '2'], ['--workers', '3'], ['--standalone']]) {
      const { weightsSha256 } = await start([...RUN, '--model', module, '--max-steps', `${STEPS}`, ...workers]).result()
      assert.equal(weightsSha256, one['weightsSha256'], workers.join(' '))
    }
  })

  it('is that of its run: resumed without the module, it ends with the same weights', async () => {
    const first = await start([...RUN, '--model', module, '--max-steps', '5', '--standalone']).result()
    const resume = ['train', '--resume', String(first['runDirectory']), '--max-steps', `${STEPS}`]
    const { weightsSha256 } = await start([...resume, '--workers', '2', '--json']).result()
    assert.equal(weightsSha256, one['weightsSha256'])
  })

  it('is named in the result, and evaluated, shown and saved like any other', async () => {
    const run = String(one['runDirectory'])
    assert.equal((one['config'] as { model: { name: string } }).model.name, 'my-model')
    const evaluation = await start(['eval', run, '--json']).result()
    assert.equal(evaluation['accuracy'], (one['test'] as Json)['accuracy'])
    const report = start(['report', run])
    assert.equal(await report.status(), 0, report.stderr)
    assert.ok(readdirSync(path.join(run, 'model', 'best', 'layers-model')).includes('model.json'))
  })

  it('without convolutions is reported too', async () => {
    const dense = write(
      'dense.mjs',
      `export default ({ tf, inputShape, classCount }) => tf.sequential({ layers: [
      tf.layers.flatten({ inputShape }), tf.layers.dense({ units: classCount })] })\n`,
    )
    const { runDirectory } = await start([...RUN, '--model', dense, '--max-steps', '1', '--standalone']).result()
    const { blocks, samples } = await start(['inspect', String(runDirectory)]).result()
    assert.deepEqual(blocks, [])
    assert.ok((samples as Json[]).length > 0)
  })

  it('begins a saved model with its weights: with a learning rate of almost 0, its accuracy stays', async () => {
    const saved = path.join(String(one['runDirectory']), 'model', 'last')
    const flags = ['--max-steps', '1', '--learning-rate', '1e-12', '--standalone']
    const launch = start([...RUN, '--model', saved, ...flags])
    const { weights } = (await launch.result()) as { weights: { last: { validation: Json } } }
    const before = one['weights'] as { last: { validation: { accuracy: number } } }
    const { accuracy } = weights.last.validation as { accuracy: number }
    // The step moves the moving statistics a little.
    assert.ok(Math.abs(accuracy - before.last.validation.accuracy) < 0.1, `${accuracy}`)
    assert.match(launch.stderr, /Beginning with the weights of last/)
  })
})

describe('a model that cannot be trained', () => {
  const built = (name: string, layers: string): string =>
    write(name, `export default ({ tf, inputShape, classCount }) => tf.sequential({ layers: [${layers}] })\n`)
  const flat = 'tf.layers.flatten({ inputShape })'

  it('is reported with the reason and the remedy, before anything starts', async () => {
    const custom = `import { createRequire } from 'node:module'
      const tf = createRequire(${JSON.stringify(path.join(packageRoot, 'package.json'))})('@tensorflow/tfjs')
      class Mine extends tf.layers.Layer { call(x) { return x } static get className() { return 'Mine' } }
      export default ({ inputShape, classCount }) => tf.sequential({ layers: [
        tf.layers.flatten({ inputShape }), new Mine({}), tf.layers.dense({ units: classCount })] })\n`
    const cases: readonly (readonly [string, RegExp])[] = [
      [path.join(scratch, 'absent.mjs'), /absent\.mjs cannot be read \(ENOENT\)/],
      [
        write('model.txt', ''),
        /give a module that builds a model \(\.mjs, \.js\) or the directory of a saved LayersModel/,
      ],
      [write('nothing.mjs', 'export const x = 1\n'), /it has no default export that is a function/],
      [write('throws.mjs', 'export default () => { throw new Error("no idea") }\n'), /throws\.mjs: no idea\./],
      [write('number.mjs', 'export default () => 5\n'), /its function returns no tf\.LayersModel/],
      [
        built('outputs.mjs', `${flat}, tf.layers.dense({ units: 7 })`),
        /its output is 7, and the data set has 4 classes/,
      ],
      [
        built('inputs.mjs', 'tf.layers.dense({ units: classCount, inputShape: [9] })'),
        /its input is 9, and the images of the data set are 16 x 16 x 1/,
      ],
      [
        built(
          'open.mjs',
          `tf.layers.globalAveragePooling2d({ inputShape: [null, null, 1] }), tf.layers.dense({ units: classCount })`,
        ),
        /its input, \? x \? x 1, has an open size; build it for inputShape/,
      ],
      [
        built('sigmoid.mjs', `${flat}, tf.layers.dense({ units: classCount, activation: 'sigmoid' })`),
        /the last activation of its output is "sigmoid"; end it with softmax/,
      ],
      [
        built(
          'separable.mjs',
          `tf.layers.separableConv2d({ inputShape, filters: 2, kernelSize: 3, depthMultiplier: 2, name: 'sep' }), tf.layers.flatten(), tf.layers.dense({ units: classCount })`,
        ),
        /the layer sep: .* has a setting that TensorFlow\.js does not store/,
      ],
      [write('custom.mjs', custom), /\(Mine\) cannot be trained: it is no layer of TensorFlow\.js/],
    ]
    for (const [model, problem] of cases) assert.match(await problemOf('--model', model), problem)
    assert.match(
      await problemOf('--model', module, '--reg', '0.1'),
      /--reg 0\.1: a model of your own has its regularisation/,
    )
    assert.match(
      await problemOf('--model', module, '--network', 'resnet8'),
      /--network resnet8: the model of `convoy train --model` is the network/,
    )
    const graph = path.join(scratch, 'graph')
    mkdirSync(graph)
    const manifest = { format: 'graph-model', modelTopology: {}, weightsManifest: [] }
    writeFileSync(path.join(graph, 'model.json'), JSON.stringify(manifest))
    assert.match(await problemOf('--model', graph), /is a graph model, which cannot be trained/)
    writeFileSync(
      path.join(graph, 'model.json'),
      JSON.stringify({ ...manifest, format: 'layers-model', weightsManifest: [{ paths: ['../x'], weights: [] }] }),
    )
    assert.match(await problemOf('--model', graph), /names a file outside of it/)
    assert.deepEqual(
      readdirSync(runs).filter((name) => name.endsWith('absent')),
      [],
    )
  })
})

describe('a model with frozen layers', () => {
  const pretrained = write(
    'pretrained.mjs',
    `export default ({ tf, inputShape, classCount }) => {
      const kernelInitializer = tf.initializers.heNormal({ seed: 9 })
      return tf.sequential({ layers: [
        tf.layers.conv2d({ inputShape, filters: 6, kernelSize: 3, kernelInitializer, trainable: false, name: 'base' }),
        tf.layers.batchNormalization({ trainable: false, name: 'norm' }),
        tf.layers.globalAveragePooling2d({}),
        tf.layers.dense({ units: classCount, activation: 'softmax', name: 'head' }),
      ] })
    }\n`,
  )
  const FROZEN = [...RUN, '--model', pretrained, '--max-steps', `${STEPS}`]
  let one: Json = {}
  before(async () => {
    one = await start([...FROZEN, '--workers', '1']).result()
  })
  const saved = (which: string): Map<string, Buffer> =>
    tensorsIn(path.join(String(one['runDirectory']), 'model', which))

  it('leaves them as they are, and has the same weights on any number of workers', async () => {
    for (const workers of [['--workers', '2'], ['--standalone']]) {
      const { weightsSha256 } = await start([...FROZEN, ...workers]).result()
      assert.equal(weightsSha256, one['weightsSha256'], workers.join(' '))
    }
    const first = await start([...RUN, '--model', pretrained, '--max-steps', '1', '--standalone']).result()
    const [before, after] = [tensorsIn(path.join(String(first['runDirectory']), 'model', 'last')), saved('last')]
    assert.equal(after.size, 8)
    for (const [name, bytes] of before) assert.equal(bytes.equals(after.get(name)!), !name.startsWith('head'), name)
  })

  it('goes on with them when it is resumed, and is evaluated with them', async () => {
    const first = await start([...RUN, '--model', pretrained, '--max-steps', '5', '--standalone']).result()
    const resume = ['train', '--resume', String(first['runDirectory']), '--max-steps', `${STEPS}`]
    const { weightsSha256 } = await start([...resume, '--workers', '2', '--json']).result()
    assert.equal(weightsSha256, one['weightsSha256'])
    const { loss } = await start(['eval', String(one['runDirectory']), '--json']).result()
    assert.equal(loss, (one['test'] as Json)['loss'])
  })

  it('is trained by a worker of another machine, which fetches them once', async () => {
    const other = tinyDataset()
    const anywhere = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']
    const coordinator = new Launch(['coordinator', ...FROZEN.slice(1), ...anywhere], tiny.environment)
    const { address } = await coordinator.announcement()
    const worker = new Launch(['worker', '--join', address], other.environment)
    const { weightsSha256 } = await coordinator.result()
    assert.equal(weightsSha256, one['weightsSha256'])
    assert.equal(await worker.status(), 0, worker.stderr)
    assert.match(worker.stderr, /Fetching frozen weights of/)
    other.remove()
  })

  it('needs some that are trained', async () => {
    const all = write(
      'all-frozen.mjs',
      `export default ({ tf, inputShape, classCount }) => tf.sequential({ layers: [
      tf.layers.flatten({ inputShape }), tf.layers.dense({ units: classCount, trainable: false })] })\n`,
    )
    assert.match(await problemOf('--model', all), /no weights to train; leave some layers trainable/)
  })
})

/** The tensors of a saved model, by name. */
function tensorsIn(directory: string): Map<string, Buffer> {
  const bytes = readFileSync(path.join(directory, 'model.safetensors'))
  const length = Number(bytes.readBigUInt64LE())
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            data_offsets: [begin, end],
          },
        ]) => [name, bytes.subarray(8 + length + begin, 8 + length + end)],
      ),
  )
}
