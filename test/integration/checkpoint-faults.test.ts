import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { tinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'

const tiny = tinyDataset()
after(() => {
  killLaunches()
  tiny.remove()
})

const RUN = ['train', '--recipe', 'quick', '--data', tiny.directory, '--epochs', '100000', '--workers', '1']

/** Puts a file where the run keeps a directory: nothing can be written there, not even by root. */
function block(place: string): boolean {
  try {
    rmSync(place, { recursive: true, force: true })
    writeFileSync(place, '', { flag: 'wx' })
    return true
  } catch {
    // The run wrote there at the same moment.
    return false
  }
}

describe('a run that cannot write checkpoints and step journal for a while', () => {
  it('goes on, shows it in status and metrics, and writes them again as soon as it can', async () => {
    const run = new Launch([...RUN, '--checkpoint-every', '1s'], tiny.environment)
    const { metrics, runDirectory } = await run.announcement()
    const status = async (): Promise<Json> => new Launch(['status', runDirectory, '--json']).result()
    const scraped = async (series: RegExp): Promise<boolean> => series.test(await (await fetch(metrics)).text())
    await until('a checkpoint', async () => scraped(/^convoy_checkpoint_step\{.*\} [1-9]/m))
    assert.equal((await status())['journal'], 'on')
    assert.ok(await scraped(/^convoy_checkpoint_interval_seconds\{.*\} 1$/m))

    const places = ['checkpoints', 'journal'].map((name) => path.join(runDirectory, name))
    for (const place of places) await until(`${place} is blocked`, () => block(place))
    await until('failures', async () => scraped(/^convoy_checkpoint_failures_total\{.*\} [1-9]/m))
    await until('failures', async () => scraped(/^convoy_journal_failures_total\{.*\} [1-9]/m))
    const failed = await status()
    assert.equal(failed['journal'], 'failed')
    assert.match(run.stderr, /The checkpoint of step \d+ cannot be written/)
    assert.match(run.stderr, /The step journal cannot be written/)

    for (const place of places) rmSync(place)
    const old = (failed['checkpoint'] as { step: number }).step
    await until('a checkpoint', async () => {
      const { checkpoint, journal } = (await status()) as { checkpoint: { step: number }; journal: string }
      return checkpoint.step > old && journal === 'on'
    })
    run.kill()
    await run.status()
  })
})
