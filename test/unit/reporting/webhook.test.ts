import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import type { RunEndMessage } from '../../../src/reporting/webhook.js'
import { endOf, postRunEnd, webhookProblem, withoutWebhookSecrets } from '../../../src/reporting/webhook.js'
import type { RunResult } from '../../../src/training/run-events.js'
import type { WebhookServer } from '../../support/webhook-server.js'
import { startWebhookServer } from '../../support/webhook-server.js'
import { freePort } from '../../support/free-port.js'

const MESSAGE: RunEndMessage = {
  ...{ run: 'r', state: 'finished', step: 7, runDirectory: '/runs/r' },
  result: { accuracy: 0.5, loss: 1, weightsSha256: 'ab' },
}

let server: WebhookServer | undefined
afterEach(() => {
  server?.close()
})

/** @returns the warnings @param path of the address */
async function post(
  url: string,
  path = '/hook?token=secret',
  signal = new AbortController().signal,
): Promise<string[]> {
  const warnings: string[] = []
  await postRunEnd(url + path, MESSAGE, signal, (line) => warnings.push(line), 1)
  return warnings
}

describe('the end of a run, posted', () => {
  it('arrives as JSON at the whole address, once', async () => {
    server = await startWebhookServer()
    assert.deepEqual(await post(server.url), [])
    const [first, ...others] = server.posts
    assert.deepEqual(first, {
      ...{ method: 'POST', type: 'application/json', path: '/hook?token=secret', body: MESSAGE },
    })
    assert.deepEqual(others, [])
  })

  it('is tried three times, and a later try that is taken is enough', async () => {
    server = await startWebhookServer([500, 429, 200])
    assert.deepEqual(await post(server.url), [])
    assert.equal(server.posts.length, 3)
  })

  it('that is not taken is one warning, without path and query of the address', async () => {
    server = await startWebhookServer([503])
    const [warning, ...others] = await post(server.url)
    assert.equal(
      warning,
      `The end of the run was not taken by --webhook ${server.url}/… (3 tries; it answered 503). Nothing else depends on it.`,
    )
    assert.deepEqual([others.length, server.posts.length], [0, 3])
    const nobody = await post(`http://127.0.0.1:${await freePort()}`)
    assert.match(nobody.join('\n'), /\/… \(3 tries; ECONNREFUSED\)/)
  })

  it('is not sent on to where a redirect points', async () => {
    server = await startWebhookServer([307])
    assert.match((await post(server.url)).join('\n'), /it answered 307/)
    assert.deepEqual(new Set(server.posts.map(({ path }) => path)), new Set(['/hook?token=secret']))
  })

  it('is given up when the process has to end, even if the server never answers', async () => {
    server = await startWebhookServer([0])
    const end = new AbortController()
    const posting = post(server.url, '', end.signal)
    while (server.posts.length === 0) await new Promise(setImmediate)
    end.abort()
    assert.match((await posting).join('\n'), /\(the process has to end; /)
    assert.match((await post(server.url, '', end.signal)).join('\n'), /\(the process has to end; not tried\)/)
    assert.equal(server.posts.length, 1)
  })

  it('is finished, also when it stopped early; a run that was asked to stop is stopped', () => {
    const result = { steps: 5, weightsSha256: 'ab', validation: { accuracy: 0.5, loss: 2 } } as unknown as RunResult
    const finished = { state: 'finished', result: { accuracy: 0.5, loss: 2, weightsSha256: 'ab' } }
    assert.deepEqual(endOf(result, { totalSteps: 5 }), finished)
    assert.deepEqual(endOf({ ...result, stoppedEarly: true }, { totalSteps: 9 }), finished)
    assert.deepEqual(endOf(result, { totalSteps: 9 }), { ...finished, state: 'stopped' })
    const { test, ...others } = { ...result, test: { loss: 3 } as RunResult['test'] }
    assert.deepEqual(endOf({ ...others, test: test! }, { totalSteps: 5 }).result, { loss: 3, weightsSha256: 'ab' })
  })
})

describe('--webhook', () => {
  it('is the address of an HTTP server, without a password', () => {
    for (const good of ['http://127.0.0.1:8080', 'https://example.org/a/b?c=d'])
      assert.equal(webhookProblem(good), undefined)
    for (const bad of ['example.org', 'ftp://example.org', '', 'file:///etc/passwd'])
      assert.match(webhookProblem(bad)!, /begins with http/)
    for (const bad of ['https://me:secret@example.org', 'https://me@example.org', 'https://:secret@example.org'])
      assert.match(webhookProblem(bad)!, /leave user name and password out/)
  })

  it('is shown without path and query in the command of a run', () => {
    const url = 'https://example.org/a?token=secret'
    assert.deepEqual(withoutWebhookSecrets(['train', '--webhook', url, '--json', `--webhook=${url}`]), [
      ...['train', '--webhook', 'https://example.org/…', '--json', '--webhook=https://example.org/…'],
    ])
  })
})
