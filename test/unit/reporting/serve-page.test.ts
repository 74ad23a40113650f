import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import http from 'node:http'
import { after, describe, it } from 'node:test'
import { Timeline } from '../../../src/reporting/page/timeline.js'
import { EventHistory } from '../../../src/reporting/page/event-history.js'
import type { Snapshot, Update } from '../../../src/reporting/page/page-state.js'
import { LivePage } from '../../../src/reporting/page/serve-page.js'
import { serveMetrics } from '../../../src/metrics/serve-metrics.js'
import { EVENTS } from '../../support/example-run.js'

const MAX_VIEWERS = 64

interface SentEvent {
  readonly id: string
  readonly kind: string
  readonly data: Snapshot & Update
}

/** The page of a timeline on a real server. */
async function servedTimeline() {
  const timeline = new Timeline('runs/example')
  let inspection: string | undefined
  let lookCount = 0
  const page = new LivePage({
    snapshot: () => timeline.snapshot(),
    takeUpdate: () => timeline.takeUpdate(),
    status: () => undefined,
    looking: () => ({ state: 'never' }),
    inspection: () => inspection,
    look: () => {
      lookCount++
      inspection = '{"step":1}'
    },
  })
  const server = await serveMetrics(
    async () => ({ text: '', contentType: 'text/plain' }),
    '127.0.0.1:0',
    '--metrics-listen',
    () => undefined,
    (...request) => page.handle(...request),
  )
  after(async () => {
    await page.close()
    server.close()
  })
  const ask = async (path: string, options: http.RequestOptions = {}): Promise<IncomingMessage> => {
    const request = http.request(new URL(path, server.url), options).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return response
  }
  return { timeline, page, ask, looks: () => lookCount }
}

/** The next events of a stream. */
async function* eventsOf(response: IncomingMessage): AsyncGenerator<SentEvent, void> {
  let text = ''
  for await (const piece of response) {
    text += String(piece)
    const messages = text.split('\n\n')
    text = messages.pop()!
    for (const message of messages) {
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(message)?.[1] ?? ''
      if (field('event') !== '')
        yield { id: field('id'), kind: field('event'), data: JSON.parse(field('data')) as SentEvent['data'] }
    }
  }
}

async function next(events: AsyncGenerator<SentEvent, void>, kind: string): Promise<SentEvent> {
  for (;;) {
    const { value } = await events.next()
    assert.ok(value, 'the stream ended')
    if (value.kind === kind) return value
  }
}

/** The lines of the next update with lines. */
async function nextLines(events: AsyncGenerator<SentEvent, void>): Promise<string[]> {
  for (;;) {
    const { lines } = (await next(events, 'update')).data
    if (lines.length > 0) return lines.map(({ text }) => text)
  }
}

describe('the server of the live page', () => {
  it('sends a reconnecting viewer exactly the events that it missed', async () => {
    const { timeline, ask } = await servedTimeline()
    for (const event of EVENTS.slice(0, 3)) timeline.observe(event, 1)
    const first = await ask('/events')
    const seen = await next(eventsOf(first), 'snapshot')
    assert.equal(seen.data.header?.network, 'resnet8')
    const { length: linesSeen } = seen.data.lines
    first.destroy()

    timeline.addLine('while disconnected', 2)
    const second = await ask('/events', { headers: { 'last-event-id': seen.id } })
    const events = eventsOf(second)
    assert.deepEqual(await nextLines(events), ['while disconnected'])
    timeline.addLine('and after', 3)
    assert.deepEqual(await nextLines(events), ['and after'])
    second.destroy()

    const ofAnotherRun = await ask('/events', { headers: { 'last-event-id': 'of-another-run-7' } })
    const whole = await next(eventsOf(ofAnotherRun), 'snapshot')
    assert.equal(whole.data.lines.length, linesSeen + 2)
    ofAnotherRun.destroy()
  })

  it('limits the number of viewers, and accepts another when one leaves', async () => {
    const { page, ask } = await servedTimeline()
    const all = await Promise.all(Array.from({ length: MAX_VIEWERS }, async () => ask('/events')))
    assert.deepEqual([...new Set(all.map(({ statusCode }) => statusCode))], [200])
    assert.equal((await ask('/events')).statusCode, 503)
    all[0]!.destroy()
    while (page.viewers === MAX_VIEWERS) await new Promise((resolve) => setImmediate(resolve))
    const late = await ask('/events')
    assert.equal(late.statusCode, 200)
    for (const response of [...all, late]) response.destroy()
  })

  it('disconnects a viewer that does not read', async () => {
    const { timeline, page, ask } = await servedTimeline()
    const lazy = await ask('/events')
    for (let line = 0; line < 20; line++) timeline.addLine('x'.repeat(1_000_000), 1)
    while (page.viewers > 0) await new Promise((resolve) => setImmediate(resolve))
    lazy.destroy()
  })

  it('restricts the page to its own files, and rejects inspections requested by other sites', async () => {
    const { ask, looks } = await servedTimeline()
    const { headers } = await ask('/')
    const policy = String(headers['content-security-policy'])
    assert.match(policy, /^default-src 'none'; /)
    assert.doesNotMatch(policy, /unsafe|\*|https?:/)
    const look = async (site: string): Promise<number | undefined> =>
      (await ask('/look', { method: 'POST', headers: { 'sec-fetch-site': site } })).statusCode
    // same-site covers a whole domain with its subdomains, so it is not enough.
    for (const site of ['cross-site', 'same-site', 'none', 'same-origin, same-site', 'Same-Origin', ''])
      assert.equal(await look(site), 403, site)
    assert.equal((await ask('/look', { method: 'POST' })).statusCode, 403)
    // Where the address is neither HTTPS nor loopback, browsers send only the origin.
    const lookFrom = async (origin: string): Promise<number | undefined> =>
      (await ask('/look', { method: 'POST', headers: { host: '10.0.0.7:7702', origin } })).statusCode
    assert.equal(await lookFrom('http://foreign.example'), 403)
    assert.equal(await lookFrom('null'), 403)
    for (const near of ['http://10.0.0.7', 'http://10.0.0.7:7703', 'https://10.0.0.7:7702', 'http://10.0.0.7:7702/'])
      assert.equal(await lookFrom(near), 403, near)
    assert.equal(await lookFrom('http://10.0.0.70:7702'), 403)
    // Sec-Fetch-Site overrides a matching origin.
    const sent = { 'sec-fetch-site': 'same-site', host: '10.0.0.7:7702', origin: 'http://10.0.0.7:7702' }
    assert.equal((await ask('/look', { method: 'POST', headers: sent })).statusCode, 403)
    assert.equal(looks(), 0)
    assert.equal(await lookFrom('http://10.0.0.7:7702'), 202)
    const viewer = await ask('/events')
    assert.equal(await look('same-origin'), 202)
    assert.deepEqual((await next(eventsOf(viewer), 'inspection')).data, { step: 1 })
    viewer.destroy()
    assert.equal((await ask('/', { method: 'POST' })).statusCode, 405)
    assert.equal((await ask('/../package.json')).statusCode, 404)
    const head = await ask('/events', { method: 'HEAD' })
    head.resume()
    await once(head, 'end')
  })

  it('rejects a foreign name in the Host header (DNS rebinding)', async () => {
    const { ask } = await servedTimeline()
    const statusFor = async (host: string): Promise<number | undefined> =>
      (await ask('/', { headers: { host } })).statusCode
    for (const host of ['localhost', 'LOCALHOST:7702', '127.0.0.1:7702', '[::1]:7702', '10.0.0.7'])
      assert.equal(await statusFor(host), 200, host)
    for (const host of ['foreign.example', 'foreign.example:7702', '127.0.0.1.foreign.example', '[', 'localhost:1:2'])
      assert.equal(await statusFor(host), 403, host)
  })

  it('answers requests with a malformed path', async () => {
    const { ask } = await servedTimeline()
    for (const path of ['//', '//[', '/%', '/%00', '/?a=//'])
      assert.equal((await ask('/', { path })).statusCode, path === '/?a=//' ? 200 : 404, path)
  })

  it('sends the final snapshot before it closes', async () => {
    const { timeline, page, ask } = await servedTimeline()
    const events = eventsOf(await ask('/events'))
    await next(events, 'snapshot')
    for (const event of EVENTS) timeline.observe(event, 4)
    await Promise.all([
      page.close(),
      (async () => {
        assert.equal((await next(events, 'snapshot')).data.outcome?.testAccuracy, 0.75)
        assert.equal((await events.next()).done, true)
      })(),
    ])
  })
})

describe('the history of events', () => {
  it('discards the oldest, and then reports that they are missing', () => {
    const history = new EventHistory('run')
    history.add('update', '0')
    const { id } = history
    assert.equal(history.since(id), '')
    const second = history.add('update', '1')
    assert.equal(history.since(id), second)
    for (let sent = 0; sent < 50; sent++) history.add('update', 'x'.repeat(100_000))
    assert.equal(history.since(id), undefined)
    assert.ok(history.since(history.id) === '')
  })

  it('treats unknown ids as missing events', () => {
    const history = new EventHistory('run')
    history.add('update', '0')
    for (const id of [
      undefined,
      '',
      'run',
      'run-',
      'run-2',
      'run--1',
      'run-1e9',
      'other-1',
      'nur-1',
      'run-99999999999999999999',
    ])
      assert.equal(history.since(id), undefined, id)
  })
})
