import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { removeTemporaries } from '../../../src/reporting/run-directory.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-run-directory-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

describe('the run directory of a killed coordinator', () => {
  it('loses the files that it was writing, and no other', async () => {
    const kept = [
      'metrics.jsonl',
      'config.yaml',
      'result-80-steps.json',
      'running.lock',
      'notes.1',
      '.notes-2',
      'report.html',
    ]
    const removed = [
      'metrics.jsonl.3735928559',
      'config.yaml.1',
      '.reserve-0123456789ab',
      '.report.html-0123456789abcdef',
    ]
    for (const name of [...kept, ...removed]) writeFileSync(path.join(scratch, name), '')
    await removeTemporaries(scratch)
    assert.deepEqual(readdirSync(scratch).sort(), kept.sort())
  })
})
