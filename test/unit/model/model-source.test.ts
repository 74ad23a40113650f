import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { findModel } from '../../../src/model/own/model-source.js'

const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-source-'))
after(() => {
  rmSync(directory, { recursive: true, force: true })
})

describe('a saved model', () => {
  it('has another sha256 with the state of an optimizer beside it, and with another state', () => {
    const write = (name: string, content: string): void => {
      writeFileSync(path.join(directory, name), content)
    }
    write('model.json', JSON.stringify({ modelTopology: {}, weightsManifest: [{ paths: ['w.bin'], weights: [] }] }))
    write('w.bin', 'abc')
    const without = findModel(directory)
    assert.equal(without.optimizerFile, undefined)
    write('optimizer.safetensors', 'state')
    const first = findModel(directory)
    assert.equal(first.optimizerFile, path.join(directory, 'optimizer.safetensors'))
    write('optimizer.safetensors', 'other')
    const hashes = [without, first, findModel(directory)].map(({ sha256 }) => sha256)
    assert.equal(new Set(hashes).size, 3)
  })
})
