import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { commandsOf, ExampleProject } from '../support/example-project.js'
import type { Json } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-examples-'))
after(() => {
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})
const project = new ExampleProject(scratch, tiny.environment)

/** What the examples with a README of their own have to reach on the test split. */
const REACHED: Readonly<Record<string, (test: Json & { metrics: Record<string, number> }) => boolean>> = {
  'image-folder': ({ accuracy }) => (accuracy as number) > 0.9,
  table: ({ metrics }) => metrics['r2']! > 0.9,
  'several-outputs': ({ metrics }) =>
    metrics['rent_r2']! > 0.8 && metrics['district_accuracy']! > 0.8 && metrics['lift,balcony_auc']! > 0.9,
  'two-terminals': ({ metrics }) => metrics['r2']! > 0.9,
}

describe('an example', () => {
  for (const [example, reached] of Object.entries(REACHED))
    it(`that its README describes runs and learns: ${example}`, async () => {
      await project.follow(example, commandsOf(`examples/${example}/README.md`))
      const { test } = project.results(example).at(-1)! as { test: Json & { metrics: Record<string, number> } }
      assert.ok(reached(test), JSON.stringify(test))
    })

  it('is listed, and described by a README or a tutorial', () => {
    const directory = path.join(packageRoot, 'examples')
    const list = readFileSync(path.join(directory, 'README.md'), 'utf8')
    const examples = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    for (const { name } of examples) {
      const row = list.split('\n').find((line) => new RegExp(`^\\| \\[?${name}\\b`).test(line))
      const [, target] = /\]\(([^)]+)\)[^(]*$/.exec(row ?? '')!
      assert.ok(target !== undefined && existsSync(path.join(directory, target)), `${name}: ${row}`)
    }
  })
})
