import assert from 'node:assert/strict'
import { renameSync, rmSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { ImageSources } from '../../support/image-sources.js'
import { killTerminals, noTerminal, PseudoTerminal } from '../../support/pseudo-terminal.js'

let sources: ImageSources
before(() => {
  sources = new ImageSources()
})
after(() => {
  killTerminals()
  rmSync(sources.directory, { recursive: true, force: true })
})

describe('import: the classes of images', () => {
  const layouts: [what: string, first: string[], second: string[]][] = [
    ['sources below the classes', ['cats', 'dogs'], ['kaggle', 'own']],
    ['years below the classes', ['a', 'b'], ['2023', '2024']],
  ]
  for (const [what, first, second] of layouts) {
    it(`requires --class-level for ${what}`, async () => {
      const root = first.join('-')
      const names = first.flatMap((one) => second.map((two) => `${root}/${one}/${two}/1.png`))
      await sources.write(Object.fromEntries(names.map((name, index) => [name, 40 * index])))
      const { status, stderr } = sources.convoy(['data', 'import', root])
      assert.equal(status, 2, stderr)
      assert.ok(stderr.includes(first.join(', ')) && stderr.includes(second.join(', ')), stderr)
      assert.match(
        stderr,
        new RegExp(`convoy data import ${root} --class-level 1 or convoy data import ${root} --class-level 2`),
      )
      assert.deepEqual(sources.import(root, '--class-level', '1').classNames, first)
      assert.deepEqual(sources.import(root, '--class-level', '2').classNames, second)
    })
  }

  it('requires --class-level where the first level groups the names of the second', async () => {
    await sources.write({ 'set/animals/cat/1.png': 1, 'set/animals/dog/1.png': 2, 'set/plants/rose/1.png': 3 })
    const { status, stderr } = sources.convoy(['data', 'info', 'set'])
    assert.equal(status, 2, stderr)
    assert.match(stderr, /animals, plants.*cat, dog, rose.*convoy data import set --class-level 1/)
  })

  it('remembers --class-level and --size for later commands, also after files are added', async () => {
    await sources.write({ 'told/a/x/1.png': 1, 'told/a/y/1.png': 2, 'told/b/x/1.png': 3, 'told/b/y/1.png': 4 })
    sources.import('told', '--class-level', '1', '--size', '9x11')
    assert.deepEqual(sources.opened('./told'), { classNames: ['a', 'b'], count: 4, height: 9 })
    await sources.write({ 'told/b/y/2.png': 5 })
    assert.deepEqual(sources.opened('./told'), { classNames: ['a', 'b'], count: 5, height: 9 })
  })

  it('uses the first level when only some classes have subdirectories', async () => {
    await sources.write({
      'mixed/cats/1.png': 1,
      'mixed/cats/old/2.png': 2,
      'mixed/dogs/2023/3.png': 3,
      'mixed/dogs/4.png': 4,
    })
    const { classNames, labels, stderr } = sources.import('mixed')
    assert.deepEqual(
      [classNames, labels],
      [
        ['cats', 'dogs'],
        [0, 0, 1, 1],
      ],
    )
    assert.match(stderr, /cats \(2\), dogs \(2\)/)
  })

  it('ignores thumbnail directories of file servers and hidden files', async () => {
    await sources.write({
      ...{ 'nas/cats/1.png': 1, 'nas/cats/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg': 2, 'nas/dogs/1.png': 3 },
      ...{ 'nas/dogs/Thumbs.db': Buffer.from('x'), 'nas/.ipynb_checkpoints/1.png': 4, 'nas/__MACOSX/cats/._1.png': 5 },
    })
    const { classNames, labels, stderr } = sources.import('nas')
    assert.deepEqual(
      [classNames, labels],
      [
        ['cats', 'dogs'],
        [0, 1],
      ],
    )
    assert.match(stderr, /4 hidden or system files and directories/)
  })

  it('takes classes below train, validation and test, and pools their subdirectories', async () => {
    await sources.write({
      ...{ 'split/Train/cat/a/1.png': 1, 'split/Train/dog/b/1.png': 2 },
      ...{ 'split/val/cat/2.png': 3, 'split/testing/dog/3.png': 4 },
    })
    const { classNames, labels, stderr } = sources.import('split')
    assert.deepEqual(
      [classNames, labels],
      [
        ['cat', 'dog'],
        [0, 1, 1, 0],
      ],
    )
    assert.match(stderr, /Train, testing, val are pooled/)
  })

  it('does not take a split that directly holds images for a class', async () => {
    await sources.write({ 'kaggle/train/cat/1.png': 1, 'kaggle/train/dog/1.png': 2, 'kaggle/test/1.png': 3 })
    const { status, stderr } = sources.convoy(['data', 'import', 'kaggle'])
    assert.equal(status, 2, stderr)
    assert.match(stderr, /test\/1\.png lies in no class directory/)
  })

  it('takes classes below a single outer directory', async () => {
    await sources.write({ 'outer/photos/cats/1.png': 1, 'outer/photos/dogs/1.png': 2 })
    const { classNames, stderr } = sources.import('outer')
    assert.deepEqual(classNames, ['cats', 'dogs'])
    assert.match(stderr, /Everything lies in photos/)
  })

  it('merges names that differ between splits in Unicode normalisation only', async () => {
    await sources.write({
      'accents/train/caf\u00e9/1.png': 1,
      'accents/train/tea/1.png': 2,
      'accents/test/cafe\u0301/2.png': 3,
    })
    assert.deepEqual(sources.import('accents').classNames, ['caf\u00e9', 'tea'])
  })

  it('rejects two directories whose names look the same, in one sentence', async () => {
    await sources.write({ 'same/caf\u00e9/1.png': 1, 'same/cafe\u0301/1.png': 2 })
    const { status, stderr } = sources.convoy(['data', 'import', 'same'])
    assert.equal(status, 2, stderr)
    assert.match(stderr, /^✖ .*two directories are called caf\u00e9, .*cafe\\u0301 and caf\\u00e9.*\n$/)
  })

  it('rejects a name that is not UTF-8, in one sentence', async () => {
    await sources.write({ 'latin/cat/1.png': 1, 'latin/x/1.png': 2 })
    renameSync(sources.path('latin/x'), Buffer.concat([Buffer.from(sources.path('latin/caf')), Buffer.from([0xe9])]))
    const { status, stderr } = sources.convoy(['data', 'import', 'latin'])
    assert.equal(status, 2, stderr)
    assert.match(stderr, /^✖ latin\/caf\\xe9: this name is not UTF-8; rename it.*\n$/)
  })

  it('asks for the level on a terminal', { skip: noTerminal }, async () => {
    await sources.write({ 'ask/a/x/1.png': 1, 'ask/a/y/1.png': 2, 'ask/b/x/1.png': 3, 'ask/b/y/1.png': 4 })
    const terminal = new PseudoTerminal(['data', 'import', sources.path('ask')], 200, 20, {
      CONVOY_CACHE: sources.cache,
    })
    await terminal.untilOutput(/Which level\? \[1\/2\]/)
    terminal.type('2\r')
    assert.equal(await terminal.status(), 0, terminal.raw)
    assert.match(terminal.raw, /2 classes: x \(2\), y \(2\)/)
    assert.deepEqual(sources.opened(sources.path('ask')).classNames, ['x', 'y'])
  })
})
