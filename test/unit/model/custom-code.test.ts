import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import type { SymbolicTensor } from '@tensorflow/tfjs'
import { describeModel } from '../../../src/model/describe-model.js'
import { tf } from '../../../src/model/networks/tfjs.js'
import { loadCustomCode, registerCustomCode } from '../../../src/model/own/custom-code.js'
import { readModule } from '../../../src/model/own/read-module.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-custom-code-'))
process.env['CONVOY_CACHE'] = path.join(scratch, 'cache')
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

function write(name: string, content: string): string {
  const file = path.join(scratch, name)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, content)
  return file
}

const isUsage = (message: RegExp) => ({ code: 'usage', message })

describe('the hash of a module', () => {
  it('changes with a file that it imports, directly or not, and with no other', () => {
    write('a/deep.mjs', 'export const deep = 1')
    write('a/near.mjs', "export { deep } from './deep.mjs'")
    const file = write('a/main.mjs', "import { deep } from './near.mjs'; export const custom = () => ({ deep })")
    const { sha256, exportNames } = readModule(file)
    assert.deepEqual(exportNames, ['custom'])
    write('a/other.mjs', 'export const other = 1')
    assert.equal(readModule(file).sha256, sha256)
    write('a/deep.mjs', 'export const deep = 2')
    assert.notEqual(readModule(file).sha256, sha256)
  })

  it('is the same in another directory', () => {
    write('b/near.mjs', 'export const near = 1')
    const { sha256 } = readModule(write('b/main.mjs', "import './near.mjs'"))
    renameSync(path.join(scratch, 'b'), path.join(scratch, 'c'))
    assert.equal(readModule(path.join(scratch, 'c', 'main.mjs')).sha256, sha256)
  })

  it('ends where modules import each other', () => {
    write('d/one.mjs', "import './two.mjs'")
    assert.match(readModule(write('d/two.mjs', "import './one.mjs'")).sha256, /^[0-9a-f]{64}$/)
  })
})

describe('custom code', () => {
  it('is found by its hash, and not when the file has changed or was never seen', async () => {
    const file = write('found.mjs', 'export const custom = () => ({ losses: { own: (t, o) => o } })')
    const source = await registerCustomCode(file)
    assert.equal(source.name, 'found')
    const code = await loadCustomCode(source, tf)
    assert.deepEqual(Object.keys(code!.losses), ['own'])
    await assert.rejects(
      loadCustomCode({ name: 'found', sha256: '0'.repeat(64) }, tf),
      isUsage(/does not know; name its file once with .*--custom <module>/),
    )
    writeFileSync(file, 'export const custom = () => ({})')
    await assert.rejects(loadCustomCode(source, tf), isUsage(/found\.mjs is not that any more; name its file once/))
  })

  it('that is none, or has a fault, is rejected by its name', async () => {
    const rejects = async (name: string, body: string, message: RegExp): Promise<void> => {
      const source = await registerCustomCode(write(`${name}.mjs`, `export const custom = ${body}`))
      await assert.rejects(loadCustomCode(source, tf), isUsage(message))
    }
    await assert.rejects(
      registerCustomCode(write('none.mjs', 'export default 1')),
      isUsage(/none\.mjs: it exports no custom code; write export const custom/),
    )
    await rejects('value', '5', /value\.mjs: its export custom is no function/)
    await rejects('nothing', '() => 5', /returns no object/)
    await rejects(
      'more',
      '() => ({ optimizers: {} })',
      /custom has optimizers; it may have layers, losses, metrics and callbacks/,
    )
    await rejects('list', '() => ({ layers: {} })', /custom\.layers is no list/)
    await rejects('nameless', '() => ({ layers: [class {}] })', /no class with a static className/)
    const taken = "(tf) => ({ layers: [class extends tf.layers.Layer { static className = 'Dense' }] })"
    await rejects('taken', taken, /the layer Dense exists already/)
    await rejects('loss', '() => ({ losses: { huberLoss: () => 1 } })', /the loss huberLoss exists already/)
    await rejects('number', '() => ({ metrics: { a: { b: 1 } } })', /a\.b is no function/)
    await rejects('throws', "() => { throw new Error('not today') }", /throws\.mjs: not today/)
  })

  it('has layers whose weights begin as addWeight says, with their L2', async () => {
    const file = write(
      'layer.mjs',
      `export const custom = (tf) => ({
        layers: [
          class Scale extends tf.layers.Layer {
            static className = 'Scale'
            build([, width]) {
              const { randomUniform, ones } = tf.initializers
              this.factor = this.addWeight('factor', [width], 'float32', randomUniform({ minval: 1, maxval: 3 }), tf.regularizers.l2({ l2: 0.25 }))
              this.shift = this.addWeight('shift', [width], 'float32', ones())
              super.build([null, width])
            }
            call(inputs) {
              return tf.add(tf.mul(inputs[0] ?? inputs, this.factor.read()), this.shift.read())
            }
          },
        ],
      })`,
    )
    const code = await loadCustomCode(await registerCustomCode(file), tf)
    const Scale = code!.layers['Scale'] as unknown as new (args: object) => { apply(x: SymbolicTensor): SymbolicTensor }
    const input = tf.input({ shape: [2] })
    const model = tf.model({ inputs: input, outputs: new Scale({ name: 'own' }).apply(input) })
    const { layout } = describeModel(model, {}, ['Scale'])
    assert.deepEqual(
      layout.tensors.map(({ name, l2, initializer }) => ({ name, l2, initializer })),
      [
        { name: 'own/factor', l2: 0.25, initializer: { kind: 'range', low: 1, high: 3 } },
        { name: 'own/shift', l2: 0, initializer: { kind: 'constant', value: 1 } },
      ],
    )
    assert.throws(() => describeModel(model), isUsage(/Layer own \(Scale\) cannot be trained: .*--custom/))
  })
})
