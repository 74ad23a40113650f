import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { commandsOf, ExampleProject } from '../support/example-project.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-any-workers-'))
after(() => {
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})
const project = new ExampleProject(scratch, tiny.environment)

const STEPS = 40
const STOPPED_AT = 17
/** The page of each example; its last `convoy train` is the one that is repeated. */
const PAGES = {
  table: 'examples/table/README.md',
  'several-outputs': 'examples/several-outputs/README.md',
  text: 'docs/tutorials/text.md',
  'fine-tune': 'docs/tutorials/fine-tune.md',
  'custom-layer': 'docs/tutorials/a-custom-layer.md',
}

describe('an example has the same weights', () => {
  for (const [example, page] of Object.entries(PAGES))
    it(`on 1, 2 and 3 workers, in one process, and when it is resumed: ${example}`, async () => {
      const commands = commandsOf(page)
      const last = commands.findLastIndex((command) => command.startsWith('npx convoy train'))
      const train = commands[last]!.replace(' --standalone', '')
      const first = commands.findIndex((command) => command === train)
      await project.follow(example, commands.slice(0, first))
      const before = project.results(example).length
      const runs = ['--workers 1', '--workers 2', '--workers 3', '--standalone'].map(
        (workers) => `${train} --max-steps ${STEPS} ${workers}`,
      )
      await project.follow(example, runs)
      await project.follow(example, [`${train} --max-steps ${STOPPED_AT} --workers 2 --name stopped`])
      await project.follow(example, [`npx convoy train --resume runs/*_stopped --max-steps ${STEPS} --workers 1`])
      const results = project.results(example).slice(before)
      assert.deepEqual(
        results.map(({ steps }) => steps),
        new Array(5).fill(STEPS),
      )
      assert.equal(new Set(results.map(({ weightsSha256 }) => weightsSha256)).size, 1)
    })
})
