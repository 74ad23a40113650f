import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { packageRoot } from '../../../src/shared/package-root.js'

const page = readFileSync(path.join(packageRoot, 'docs', 'reference', 'faults.md'), 'utf8')
const listed = [...page.matchAll(/^\| (\d+) /gm)].map(([, number]) => Number(number))

/** Numbers in test titles such as `fault 57, 58: …`. */
function tested(): number[] {
  const directory = path.join(packageRoot, 'test')
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.test.ts'),
  )
  const texts = files.map((name) => readFileSync(path.join(directory, name), 'utf8')).join('\n')
  return [...texts.matchAll(/['"`]fault ((?:\d+(?:, )?)+):/g)].flatMap(([, numbers]) =>
    numbers!.split(', ').map(Number),
  )
}

describe('docs/reference/faults.md', () => {
  it('lists each fault that a test names, and no other', () => {
    assert.deepEqual([...new Set(tested())].sort(), [...listed].sort())
  })

  it('lists each fault once', () => {
    assert.equal(new Set(listed).size, listed.length)
  })
})
