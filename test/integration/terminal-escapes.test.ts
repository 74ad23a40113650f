import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { ESLint } from 'eslint'
import { printable } from '../../src/shared/log/printable.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { HOSTILE_CLASSES, tarOf, UNSAFE, writeHostileImages } from '../support/hostile-names.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'

const PER_CLASS = 16
const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-escapes-'))
const images = path.join(scratch, 'images')
const archive = path.join(scratch, 'set.tar')
let run = ''
let trained: Launch | undefined
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

/** Asserts that every line is safe to show, and that no newline of a name starts a line. */
function assertSafe(text: string): void {
  for (const line of text.split('\n')) {
    const found = UNSAFE.exec(line)?.[0].codePointAt(0)?.toString(16)
    assert.equal(found, undefined, `U+${found} in ${JSON.stringify(line)}`)
    assert.doesNotMatch(line, /^[│ ]*✖ everything is lost/)
  }
}

async function convoy(...args: readonly string[]): Promise<Launch & { readonly ended: number | null }> {
  const launch = new Launch(args, tiny.environment, true)
  const ended = await launch.status()
  return Object.assign(launch, { ended })
}

before(async () => {
  mkdirSync(images)
  await writeHostileImages(images, PER_CLASS, 16)
  tarOf(images, archive)
  const imported = await convoy('data', 'import', archive, '--name', 'hostile')
  assert.equal(imported.ended, 0, imported.stderr)
  assertSafe(imported.stdout + imported.stderr)
  trained = await convoy(
    ...['train', '--recipe', 'quick', '--data', 'hostile', '--standalone', '--batch-size', '16'],
    ...['--shard-size', '16', '--max-steps', '4'],
  )
  const [name] = readdirSync(trained.runsDirectory)
  run = path.join(trained.runsDirectory, name!)
})

describe('names with terminal control characters', () => {
  it('are shown escaped by data info and data list', async () => {
    const info = await convoy('data', 'info', 'hostile')
    assert.equal(info.ended, 0, info.stderr)
    assertSafe(info.stdout + info.stderr)
    for (const name of HOSTILE_CLASSES) assert.ok(info.stdout.includes(printable(name)), `${info.stdout}: ${name}`)
    const list = await convoy('data', 'list')
    assert.equal(list.ended, 0, list.stderr)
    assertSafe(list.stdout + list.stderr)
  })

  it('are shown escaped by the progress and the final table of a run', () => {
    assertSafe(trained!.stdout + trained!.stderr)
    for (const name of HOSTILE_CLASSES) assert.ok(trained!.stdout.includes(printable(name)), trained!.stdout)
  })

  it('are shown escaped by eval, predict and report', async () => {
    const files = readdirSync(path.join(images, HOSTILE_CLASSES[1]))
    const image = path.join(images, HOSTILE_CLASSES[1], files[0]!)
    for (const args of [
      ['eval', run],
      ['predict', run, image, '--top', '4'],
      ['report', run, '--out', path.join(scratch, 'page\u001b[2J\n✖ everything is lost.html')],
    ]) {
      const launch = await convoy(...args)
      assert.equal(launch.ended, 0, launch.stderr)
      assertSafe(launch.stdout + launch.stderr)
    }
  })

  it('are unchanged in JSON, with escapes', async () => {
    const launch = await convoy('data', 'info', 'hostile', '--json')
    assertSafe(launch.stdout)
    const { classes } = JSON.parse(launch.stdout) as { classes: { name: string }[] }
    assert.deepEqual(new Set(classes.map(({ name }) => name)), new Set(HOSTILE_CLASSES))
    const predict = await convoy('predict', run, path.join(images, HOSTILE_CLASSES[3]), '--top', '4', '--json')
    assertSafe(predict.stdout)
    const { predictions } = JSON.parse(predict.stdout) as { predictions: { file: string; classes: Json[] }[] }
    assert.equal(predictions.length, PER_CLASS)
    assert.ok(predictions.every(({ file }) => file.startsWith(path.join(images, HOSTILE_CLASSES[3]))))
    assert.deepEqual(new Set(predictions[0]!.classes.map(({ name }) => name)), new Set(HOSTILE_CLASSES))
  })

  it('are shown escaped in errors about paths, flags and commands', async () => {
    const evil = 'x\u001b[2J\u009b1m\u202e\r\n✖ everything is lost'
    for (const args of [
      ['data', 'info', evil],
      ['data', 'import', evil],
      ['predict', run, evil],
      ['eval', evil],
      ['status', evil],
      ['report', evil],
      ['train', '--recipe', evil],
      ['train', '--set', evil],
      ['config', 'show', '--seed', evil],
      ['bench', 'engine', '--network', evil],
      ['data', 'import', images, '--size', evil],
      ['train', `--${evil}`],
      [evil],
    ]) {
      const launch = await convoy(...args)
      assert.equal(launch.ended, 2, `${JSON.stringify(args)}: ${launch.stderr}`)
      assertSafe(launch.stdout + launch.stderr)
      assert.match(launch.stderr, /\\u001b\[2J/, JSON.stringify(args))
    }
  })

  it('are shown escaped by set-up, which runs before the build', () => {
    const program = `import(${JSON.stringify(pathToFileURL(path.join(packageRoot, 'scripts', 'setup.mjs')).href)}).then(({ report }) => { for (let code = 0; code < 0x110000; code++) report(String.fromCodePoint(code)) })`
    const { stderr, status } = spawnSync(process.execPath, ['-e', program], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    })
    assert.equal(status, 0)
    assertSafe(stderr)
  })
})

describe('text for a terminal', () => {
  it('keeps scripts and emoji whole', () => {
    for (const text of [
      'кот',
      '計算機',
      'قطة',
      'می\u200cخواهم',
      'क्\u200dष',
      '👩‍🚀',
      '❤️',
      '1️⃣',
      'naïve',
      'e\u0301',
      ' a b ',
    ])
      assert.equal(printable(text), text)
  })

  it('shows hidden characters as escapes', () => {
    for (const [text, wanted] of [
      ['a\u200bb', String.raw`a\u200bb`],
      ['ca\u200dt', String.raw`ca\u200dt`],
      ['ca\u0301\u200dt', 'ca\u0301\\u200dt'],
      ['\u{e0041}', String.raw`\udb40\udc41`],
      ['\u3164', String.raw`\u3164`],
      ['a\ufe0f', String.raw`a\ufe0f`],
      ['\ud800', String.raw`\ud800`],
      ['\t\u007f', String.raw`\u0009\u007f`],
    ])
      assert.equal(printable(text!), wanted)
  })

  it('has the same content when it is JSON', () => {
    const all = Array.from({ length: 0x110000 }, (_, code) => String.fromCodePoint(code)).join('')
    assert.ok(JSON.parse(printable(JSON.stringify([all]))) instanceof Array)
    assert.deepEqual(JSON.parse(printable(JSON.stringify({ [all]: all }))), { [all]: all })
  })
})

describe('lint', () => {
  it('reports writes to the terminal outside standardOutput and standardError', async () => {
    const eslint = new ESLint({ cwd: packageRoot })
    for (const [file, code] of [
      ['src/cli/commands/stop.ts', "process.stdout.write('x')\n"],
      ['src/cli/commands/stop.ts', "console.log('x')\n"],
      ['src/cli/commands/stop.ts', 'const { stderr } = process\nstderr.write(String(stderr))\n'],
      ['src/data/sampling/split.ts', "process.stderr.write('x')\n"],
      ['src/cli/commands/stop.ts', "import { stdout } from 'node:process'\nstdout.write('x')\n"],
      ['src/cli/commands/stop.ts', "import { writeSync } from 'node:fs'\nwriteSync(1, 'x')\n"],
      ['scripts/run-tests.mjs', "console.error('x')\n"],
    ] as const) {
      const [found] = await eslint.lintText(code, { filePath: path.join(packageRoot, file) })
      const rules = found!.messages.map(({ ruleId }) => ruleId)
      assert.ok(
        rules.some((rule) => /^no-(restricted-properties|restricted-syntax|console)$/.test(`${rule}`)),
        code,
      )
    }
  })
})
