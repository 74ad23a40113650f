import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import type { ConvoyError } from '../../../src/shared/errors.js'
import type { PathCosts } from '../../../src/simulation/exchange-costs.js'
import { guessedExchange, readExchange } from '../../../src/simulation/exchange-costs.js'

interface MeasuredSize {
  readonly weights: number
  readonly rows: readonly object[]
  readonly baselines: readonly object[]
}

/** Of one worker. @param ms of everything that was measured */
function size(weights: number, ms: number, paths: readonly string[] = ['memory', 'network']): MeasuredSize {
  const timeline = { lease: ms, weights: ms, result: ms, read: ms }
  const rows = paths.map((one) => ({ workers: 1, path: one, busy: { sendMs: ms, receiveMs: 5 * ms }, timeline }))
  const baselines = [{ name: 'a copy in memory', perSecond: [100 / ms, 1000 / ms, 1e6 / ms] }]
  return { weights, rows, baselines }
}

describe('the costs of an exchange', () => {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-exchange-'))
  const file = path.join(scratch, 'exchange.json')
  after(() => {
    rmSync(scratch, { recursive: true })
  })
  const written = (...sizes: readonly object[]): string => {
    writeFileSync(file, JSON.stringify({ sizes }))
    return file
  }

  test('are linear in the bytes between the sizes that were measured and beyond, and never negative', () => {
    const costsOf = readExchange(written(size(3_000, 3), size(1_000, 1), size(5_000, 9)))
    const sent = (weights: number): number => costsOf(4 * weights).network.sendMs
    assert.deepEqual([500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000].map(sent), [0.5, 1, 2, 3, 6, 9, 12])
    assert.equal(readExchange(written(size(1_000, 1), size(2_000, 9)))(4).network.sendMs, 0)
    assert.equal(costsOf(4_000).copyMs, 1)
  })

  test('divide what one worker waits for: no more of it than that is work of the thread', () => {
    const { memory } = readExchange(written(size(1_000, 1), size(2_000, 2)))(4_000)
    assert.deepEqual(memory, { sendMs: 1, receiveMs: 1, downMs: 1, upMs: 1 } satisfies PathCosts)
  })

  test('are those of results in float32, without a link or a relay', () => {
    const links = [{ delayMs: 10 }, { relays: 1 }, { wire: 'bfloat16' }]
    const withLinks = (one: MeasuredSize): MeasuredSize => ({
      ...one,
      rows: [...links.flatMap((link) => size(1, 100).rows.map((row) => ({ ...row, ...link }))), ...one.rows],
    })
    const plain = [size(1_000, 1), size(2_000, 2)]
    assert.deepEqual(readExchange(written(...plain.map(withLinks)))(4_000), readExchange(written(...plain))(4_000))
    const onlyLinks = plain.map((one) => ({ ...one, rows: one.rows.map((row) => ({ ...row, delayMs: 10 })) }))
    assert.throws(() => readExchange(written(...onlyLinks)), /fewer than two sizes of one worker/)
  })

  test('need one worker, both paths and two sizes', () => {
    const rejects = (make: () => unknown, what: RegExp): void => {
      assert.throws(make, ({ message, exitStatus }: ConvoyError) => {
        assert.match(message, what)
        assert.match(message, /--exchange .*make it with `npx convoy bench exchange --workers 1/)
        return exitStatus === 2
      })
    }
    rejects(() => readExchange(written(size(1_000, 1))), /fewer than two sizes/)
    rejects(() => readExchange(written(size(1_000, 1), size(1_000, 1))), /fewer than two sizes/)
    rejects(() => readExchange(written(size(1_000, 1), size(2_000, 1, ['memory']))), /fewer than two sizes/)
    rejects(() => readExchange(path.join(scratch, 'none')), /no measurements/)
    rejects(() => readExchange(written({ weights: -1 })), /no measurements/)
  })

  test('are guessed for what nobody measured, larger for larger vectors', () => {
    const [small, large] = [1e6, 1e8].map(guessedExchange)
    assert.ok(small!.network.sendMs < large!.network.sendMs && small!.copyMs < large!.copyMs)
  })
})
