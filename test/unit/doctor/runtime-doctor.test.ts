import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { describe, it } from 'node:test'
import { examineNetwork } from '../../../src/doctor/network-verdicts.js'
import { examineStorage } from '../../../src/doctor/storage-verdicts.js'
import { examineTensorflow } from '../../../src/doctor/tensorflow-verdicts.js'
import type { Verdict } from '../../../src/doctor/verdict.js'
import { findRuntime } from '../../../src/tensorflow/runtime/runtime-directory.js'

/** Runs a check with another cache. */
async function withCache(cache: string, check: () => Promise<Verdict[]>): Promise<Verdict[]> {
  const before = process.env['CONVOY_CACHE']
  process.env['CONVOY_CACHE'] = cache
  try {
    return await check()
  } finally {
    if (before === undefined) delete process.env['CONVOY_CACHE']
    else process.env['CONVOY_CACHE'] = before
  }
}

describe('the doctor', () => {
  it('names the flag of a port in use, and accepts a free one', async () => {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const [taken] = await examineNetwork([{ flag: '--listen', address }])
    server.close()
    await once(server, 'close')
    const [free, grpc] = await examineNetwork([{ flag: '--listen', address }])
    assert.equal(taken?.ok, false)
    assert.equal(taken.found, `${address} in use`)
    assert.match(taken.remedy!, /another port with --listen/)
    assert.equal(free?.ok, true)
    assert.equal(grpc?.ok, true, grpc?.found)
  })

  it('names the remedy for a missing runtime, and checks the tools of the installation', async () => {
    const cache = mkdtempSync(path.join(os.tmpdir(), 'convoy-doctor-'))
    const [runtime, ...tools] = await withCache(cache, () => examineTensorflow(0))
    rmSync(cache, { recursive: true })
    assert.equal(runtime?.ok, false)
    assert.match(runtime.remedy!, /convoy runtime install/)
    assert.deepEqual(
      tools.map(({ check }) => check),
      ['python3', 'pip', 'g++'],
    )
  })

  it('multiplies two matrices with the runtime in use', { skip: findRuntime() === undefined }, async () => {
    const [, product] = await examineTensorflow(0)
    assert.equal(product?.ok, true, product?.found)
    assert.match(product.found, /multiplied exactly by .* \(fingerprint [0-9a-f]{16}\)$/)
  })

  const isCpu = findRuntime()?.kind === 'cpu'
  it('rejects a CPU runtime on a machine with a GPU', { skip: !isCpu }, async () => {
    const [runtime] = await examineTensorflow(1)
    assert.equal(runtime?.ok, false)
    assert.match(runtime.remedy!, /runtime install --gpu/)
  })

  it('reports that files cannot be locked', async () => {
    const verdictOf = async (): Promise<Verdict> => (await examineStorage()).find(({ check }) => check === 'locks')!
    assert.equal((await verdictOf()).ok, true)
    const { PATH } = process.env
    process.env['PATH'] = '/nowhere'
    try {
      const { ok, found, remedy } = await verdictOf()
      assert.equal(ok, false)
      assert.match(found, /^flock does not work in .*ENOENT/)
      assert.match(remedy!, /util-linux/)
    } finally {
      process.env['PATH'] = PATH
    }
  })

  it('reports a cache that cannot be written', async () => {
    const [cache] = await withCache('/proc/convoy', examineStorage)
    assert.equal(cache?.ok, false)
    assert.match(cache.remedy!, /CONVOY_CACHE/)
  })
})
