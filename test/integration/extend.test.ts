import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { SeededDraws } from '../../src/simulation/seeded-draws.js'
import type { Json } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const GUIDE = readFileSync(path.join(packageRoot, 'docs', 'guides', 'extend.md'), 'utf8')
/** Copied, because the copy compiles its own dist. */
const COPIED = ['src', 'dist', 'bin', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.base.json']
const LEFT_OUT = ['.git', 'coverage', 'runs']
const KINDS = 7

const tiny = tinyDataset()
const copy = mkdtempSync(path.join(os.tmpdir(), 'convoy-extended-'))
after(() => {
  tiny.remove()
  rmSync(copy, { recursive: true, force: true, maxRetries: 5 })
})

/** The code blocks of the guide with their files: new files (ts) or changes (diff). */
function blocksOf(kind: 'ts' | 'diff'): { file: string; text: string }[] {
  const blocks = GUIDE.matchAll(new RegExp(`^\`(src/[\\w./-]+)\`:\n\n\`\`\`${kind}\n([^]*?)\n\`\`\``, 'gm'))
  return Array.from(blocks, ([, file, text]) => ({ file: path.join(copy, file!), text: text! }))
}

/** Applies a diff without line numbers as a reader would: imports go to the top, the rest replaces existing lines. */
function changed(text: string, diff: string): string {
  const lines = diff.split('\n')
  const first = lines.findIndex((line) => !line.startsWith('+'))
  const contentOf = (kept: string): string =>
    lines
      .slice(first)
      .filter((line) => line.startsWith(kept) || line.startsWith(' '))
      .map((line) => line.slice(1))
      .join('\n')
  assert.equal(text.split(contentOf('-')).length, 2, `the file holds this once: ${contentOf('-')}`)
  const imports = lines.slice(0, first).map((line) => `${line.slice(1)}\n`)
  return imports.join('') + text.replace(contentOf('-'), contentOf('+'))
}

function convoy(...args: string[]) {
  return spawnSync(process.execPath, [path.join(copy, 'bin', 'convoy.mjs'), ...args], {
    encoding: 'utf8',
    cwd: copy,
    env: { ...process.env, ...tiny.environment },
  })
}

describe('docs/guides/extend.md, followed word for word', () => {
  before(() => {
    for (const name of readdirSync(packageRoot)) {
      const [from, to] = [path.join(packageRoot, name), path.join(copy, name)]
      if (COPIED.includes(name)) cpSync(from, to, { recursive: true, preserveTimestamps: true })
      else if (!LEFT_OUT.includes(name)) symlinkSync(from, to)
    }
    const [files, changes] = [blocksOf('ts'), blocksOf('diff')]
    assert.deepEqual([files.length, changes.length], [KINDS, KINDS])
    for (const { file, text } of files) writeFileSync(file, `${text}\n`, { flag: 'wx' })
    for (const { file, text } of changes) writeFileSync(file, changed(readFileSync(file, 'utf8'), text))
    writeFileSync(path.join(copy, 'digits.csv'), digits())
  })

  it('adds one of each kind to the command line', () => {
    const { stdout, stderr } = convoy('train', '--help')
    const help = stdout.replace(/\s+/g, ' ')
    for (const name of ['plain4', 'lion', 'linear', 'nice (processes of the lowest priority)'])
      assert.ok(help.includes(name), `${name} in ${help}\n${stderr}`)
    const { stderr: unknown, status } = convoy('data', 'info', path.join(packageRoot, 'proto'))
    assert.equal(status, 2)
    assert.match(unknown, /IDX files \(MNIST\), pixels in a \.csv file, tables \(\.csv, \.tsv\), or images/)
  })

  it('trains with all of them at once', () => {
    const command = /npx convoy (train --data digits\.csv .*)/.exec(GUIDE)![1]!.split(' ')
    const short = ['--epochs', '2', '--batch-size', '32', '--shard-size', '16', '--workers', '1', '--json']
    const { stdout, stderr, status } = convoy(...command, ...short)
    assert.equal(status, 0, stderr)
    const { runDirectory, config, dataset, test } = JSON.parse(stdout) as Json & { config: Json; test: Json }
    const { network, optimizer, schedule } = config as Record<string, Json>
    assert.deepEqual([network!['name'], optimizer!['kind'], schedule!['kind']], ['plain4', 'lion', 'linear'])
    assert.deepEqual(schedule, { kind: 'linear', peak: 0.001 })
    assert.ok((test['accuracy'] as number) >= 0 && dataset !== null)

    const run = path.resolve(copy, runDirectory as string)
    const rates = readFileSync(path.join(run, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Json)
      .filter(({ kind }) => kind === 'step')
      .map(({ learningRate }) => learningRate as number)
    assert.deepEqual([rates[0], rates.at(-1)], [0.001, 0])
    const table = readFileSync(path.join(run, 'loss.csv'), 'utf8').trim().split('\n')
    assert.equal(table.length, 1 + rates.length)
    assert.match(table[1]!, /^1,\d+\.\d+,\d/)
    const raw = readFileSync(path.join(run, 'model', 'last', 'raw', 'weights.f32'))
    const saved = readFileSync(path.join(run, 'model', 'last', 'layers-model', 'weights.bin'))
    assert.deepEqual(raw, saved)
  })
})

/** Grey squares of 8x8 pixels, brighter with each class. */
function digits(): string {
  const draws = new SeededDraws(3)
  const pixels = Array.from({ length: 64 }, (_, index) => `pixel${index}`)
  const lines = Array.from({ length: 120 }, (_, sample) => {
    const label = sample % 3
    return [label, ...pixels.map(() => 60 * label + draws.below(80))].join(',')
  })
  return `${['label', ...pixels].join(',')}\n${lines.join('\n')}\n`
}
