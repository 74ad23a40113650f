import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'
import type { WebhookServer } from '../support/webhook-server.js'
import { startWebhookServer } from '../support/webhook-server.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-webhook-'))
const failing = path.join(scratch, 'failing.mjs')
writeFileSync(
  failing,
  "export const custom = () => ({ callbacks: { onStep({ step }) { if (step === 2) throw new Error('no luck') } } })\n",
)
after(() => {
  killLaunches()
  rmSync(scratch, { recursive: true, force: true })
  tiny.remove()
})

const RUN = ['--recipe', 'quick', '--data', tiny.directory, '--batch-size', '32', '--shard-size', '8']
const ENDLESS = [...RUN, '--epochs', '1000', '--workers', '1']
const QUERY = '?token=secret'
/** Plants code into each coordinator but the first. */
const planted = (code: string): NodeJS.ProcessEnv => ({
  NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(`if (process.argv.includes('--resume')) ${code}`)}`,
})

let server: WebhookServer
beforeEach(async () => {
  server = await startWebhookServer()
})
afterEach(() => {
  server.close()
})

function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Launch {
  const webhook = ['--webhook', `${server.url}/secret${QUERY}`]
  return new Launch(['train', ...args, ...webhook], { ...tiny.environment, ...environment }, true)
}

/** A run that has made a step, with what the message of its end begins with. */
async function startEndless(environment?: NodeJS.ProcessEnv) {
  const launch = start(ENDLESS, environment)
  await launch.untilMetrics(({ kind }) => kind === 'step')
  const { runDirectory, pid } = await launch.announcement()
  return { launch, pid, place: { run: path.basename(runDirectory), runDirectory } }
}

/** The bodies of all messages. */
function bodies(): Record<string, unknown>[] {
  return server.posts.map(({ body }) => body as Record<string, unknown>)
}

describe('--webhook', () => {
  it('hears of a finished run, with its result, once although its coordinator died', async () => {
    const launch = start([...RUN, '--epochs', '1000', '--workers', '1', '--max-steps', '40', '--json'])
    await launch.untilMetrics(({ kind, step }) => kind === 'step' && Number(step) > 5)
    const { pid, runDirectory } = await launch.announcement()
    process.kill(pid, 'SIGKILL')
    const { test, weightsSha256 } = (await launch.result()) as { test: Record<string, number>; weightsSha256: string }
    const { accuracy, loss } = test
    assert.deepEqual(bodies(), [
      {
        ...{ run: path.basename(runDirectory), state: 'finished', step: 40, runDirectory },
        result: { accuracy, loss, weightsSha256 },
      },
    ])
    assert.match(launch.stderr, /restarting it/)
    for (const name of ['environment.json', 'convoy.log', 'config.yaml'])
      assert.doesNotMatch(readFileSync(path.join(runDirectory, name), 'utf8'), /secret/, name)
    assert.doesNotMatch(launch.stderr, /secret/)
    launch.remove()
  })

  it('that cannot be reached is a warning, in the log too, and not a failure', async () => {
    server.close()
    const launch = start([...RUN, '--epochs', '1', '--max-steps', '1', '--standalone', '--json'])
    const { runDirectory } = await launch.result()
    const warning = new RegExp(`was not taken by --webhook ${server.url}/… \\(3 tries; ECONNREFUSED\\)`)
    assert.match(launch.stderr, warning)
    assert.match(readFileSync(path.join(String(runDirectory), 'convoy.log'), 'utf8'), warning)
    launch.remove()
  })

  it('hears of a run that was stopped', async () => {
    const { launch, place } = await startEndless()
    launch.terminate()
    assert.equal(await launch.status(), 0, launch.stderr)
    const [message, ...others] = bodies()
    assert.ok(Number(message!['step']) > 0)
    assert.deepEqual([{ ...message, step: 0 }, others], [{ ...place, state: 'stopped', step: 0 }, []])
    launch.remove()
  })

  it('that never answers does not keep a stopped run beyond --grace, nor change its exit status', async () => {
    server.close()
    server = await startWebhookServer([0])
    const launch = start([...ENDLESS, '--grace', '5'])
    await launch.untilMetrics(({ kind }) => kind === 'step')
    launch.terminate()
    assert.equal(await launch.status(), 0, launch.stderr)
    assert.match(launch.stderr, /was not taken by --webhook \S+ \(the process has to end/)
    launch.remove()
  })

  it('hears of a run that failed, and why', async () => {
    const launch = start([...ENDLESS, '--custom', failing])
    assert.equal(await launch.status(), 2, launch.stderr)
    const [{ state, step, error, result } = {}, ...others] = bodies()
    assert.deepEqual([state, step, result, others], ['failed', 2, undefined, []])
    assert.match(String(error), /callbacks\.onStep of failing failed after step 2: no luck/)
    launch.remove()
  })

  it('hears nothing of a command that is wrong', async () => {
    for (const [webhook, problem] of [
      ['https://me:secret@example.org', /--webhook: leave user name and password out of the address/],
      ['example.org', /--webhook: give an address that begins with http/],
    ] as const) {
      const launch = start([...RUN, '--webhook', webhook, '--max-steps', '0'])
      assert.equal(await launch.status(), 2, launch.stderr)
      launch.remove()
      const wrong = new Launch(['train', ...RUN, '--webhook', webhook], tiny.environment)
      assert.equal(await wrong.status(), 2, wrong.stderr)
      assert.match(wrong.stderr, problem)
      assert.doesNotMatch(wrong.stderr, /me:secret/)
    }
    assert.deepEqual(server.posts, [])
  })

  it('hears from the supervisor of a coordinator that cannot be started again', async () => {
    const { launch, pid, place } = await startEndless(planted('process.exit(1)'))
    process.kill(pid, 'SIGKILL')
    assert.equal(await launch.status(), 1, launch.stderr)
    const error = 'The coordinator could not be started again.'
    assert.deepEqual(bodies(), [{ ...place, state: 'failed', error, step: 0 }])
    launch.remove()
  })

  it('hears from the supervisor of a run that is stopped between two coordinators', async () => {
    const { launch, pid, place } = await startEndless(planted("process.kill(process.pid, 'SIGKILL')"))
    process.kill(pid, 'SIGKILL')
    await launch.untilStderr(/restarting it in 1 s/)
    launch.terminate()
    assert.equal(await launch.status(), 1, launch.stderr)
    await until('the message', () => server.posts.length > 0)
    assert.deepEqual(bodies(), [{ ...place, state: 'stopped', step: 0 }])
    launch.remove()
  })
})
