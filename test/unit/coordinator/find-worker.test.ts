import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findWorker } from '../../../src/coordinator/find-worker.js'
import { worker } from '../../support/example-run.js'

function named(id: number, name: string): typeof worker {
  return { ...worker, id, name }
}

test('a worker is found by its name and by its number; the others are listed', () => {
  const workers = [named(1, 'a'), named(2, 'b'), named(3, '2')]
  assert.equal(findWorker('a', workers).id, 1)
  assert.equal(findWorker('1', workers).name, 'a')
  assert.equal(findWorker('3', workers).name, '2')
  assert.throws(() => findWorker('2', workers), {
    code: 'usage',
    message: /^2 may be b \(number 2\) or 2 \(number 3\)\. Give/,
  })
  assert.throws(() => findWorker('c', workers), {
    code: 'usage',
    message: 'There is no worker c. Name one of a (number 1), b (number 2), 2 (number 3).',
  })
  assert.throws(() => findWorker('a', []), /none takes part/)
  const many = Array.from({ length: 25 }, (_, index) => named(index + 1, `w${index}`))
  assert.throws(() => findWorker('c', many), /w19 \(number 20\) and 5 more\.$/)
})
