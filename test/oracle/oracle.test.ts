import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { CONVOY, pythonOracle } from './python-oracle.js'

// A program that was written by somebody who had read the documentation and not the code.

const oracle = await pythonOracle(() => undefined).catch((error: unknown) => (error as Error).message)
const skip = typeof oracle === 'string' && `the oracle cannot be installed: ${oracle}`
if (skip) process.stderr.write(`✖ Skipped, runs against an oracle: ${skip}\n`)

describe('an oracle that knows the documentation alone', { skip }, () => {
  const agrees = async (...args: string[]): Promise<void> => {
    if (typeof oracle === 'string') return
    const { status, printed } = await oracle.run(args)
    assert.equal(status, 0, printed)
  }

  it('computes the test vectors of the page', async () => {
    await agrees('vectors', path.join(packageRoot, 'docs', 'reference', 'semantics.md'))
  })

  it('computes the losses, norms, weights and evaluations of two runs', async () => {
    await agrees('cases', '--convoy', CONVOY, '--short')
  })
})
