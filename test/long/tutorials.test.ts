import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { commandsOf, ExampleProject, filesOf } from '../support/example-project.js'
import type { Json } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-tutorials-'))
after(() => {
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})
const project = new ExampleProject(scratch, tiny.environment)

/** Follows a tutorial word for word. @returns what its commands printed */
async function follow(page: string, example: string, files: readonly string[]): Promise<string[]> {
  const file = `docs/tutorials/${page}.md`
  const shown = filesOf(file)
  assert.deepEqual([...shown.keys()], files)
  for (const [name, content] of shown)
    assert.equal(content, readFileSync(path.join(project.at(example), name), 'utf8'), `${name} of ${page}`)
  return project.follow(example, commandsOf(file))
}

function hashes(results: readonly Json[]): unknown[] {
  return results.map(({ weightsSha256 }) => weightsSha256)
}

describe('a tutorial, followed word for word', () => {
  it('"From model.fit to two machines" gives a program the same accuracy, and the same weights by other workers', async () => {
    const printed = await follow('from-model-fit-to-two-machines', 'model-fit', ['before.mjs', 'after.mjs'])
    const accuracies = printed.slice(0, 2).map((text) => Number(/accuracy ([\d.]+)/.exec(text)![1]))
    assert.ok(
      accuracies.every((accuracy) => accuracy > 0.9),
      accuracies.join(),
    )
    const results = project.results('model-fit')
    assert.equal(results.length, 2)
    assert.equal(new Set(hashes(results)).size, 1)
    assert.ok(((results[0]!['test'] as Json)['accuracy'] as number) > 0.9)
  })

  it('"Fine-tune a model" ends with a model that knows the new classes', async () => {
    const printed = await follow('fine-tune', 'fine-tune', ['base.mjs', 'model.mjs'])
    const [, tuned] = project.results('fine-tune')
    assert.ok(((tuned!['test'] as Json)['accuracy'] as number) >= 0.9)
    assert.ok(printed.some((text) => text.includes('66 parameters')))
    assert.match(printed.at(-1)!, /triangle\/0\.png │ triangle.*\n[^]*stripes\/0\.png +│ stripes/)
  })

  it('"Text" tells good reviews from bad ones, with the same weights in one process', async () => {
    await follow('text', 'text', ['model.mjs'])
    const results = project.results('text')
    assert.equal(new Set(hashes(results)).size, 1)
    assert.ok(((results[0]!['test'] as Json)['accuracy'] as number) > 0.95)
  })

  it('"A custom layer" learns by a loss of its own, with the same weights by a worker that was given the module', async () => {
    await follow('a-custom-layer', 'custom-layer', ['model.mjs'])
    const results = project.results('custom-layer')
    assert.equal(results.length, 2)
    assert.equal(new Set(hashes(results)).size, 1)
    const { metrics } = results[0]!['test'] as { metrics: Record<string, number> }
    assert.ok(metrics['within10percent']! > 0.6, JSON.stringify(metrics))
  })
})
