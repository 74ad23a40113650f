import type { NumberMutation } from '../mutation.js'

const GUARD = { file: 'reporting/page/serve-page.js', tests: ['unit/reporting/serve-page / other sites|foreign name'] }
const LIMITS = { file: 'reporting/page/serve-page.js', tests: ['unit/reporting/serve-page'] }
const HISTORY = {
  file: 'reporting/page/event-history.js',
  tests: ['unit/reporting/serve-page / discards the oldest|unknown ids'],
}
const SERVER = { file: 'metrics/serve-metrics.js', tests: ['unit/reporting/serve-page', 'unit/metrics/metrics'] }

/** The live page: permitted requests, and its limits. */
export const PAGE: readonly NumberMutation[] = [
  {
    ...GUARD,
    name: 'a request from another site of the same domain makes the page compute',
    find: "site === 'same-origin'",
    replace: "site !== 'cross-site'",
  },
  {
    ...GUARD,
    name: 'a request without its site makes the page compute',
    find: 'origin !== undefined && origin === `http://${host}`',
    replace: 'origin === undefined || origin === `http://${host}`',
  },
  {
    ...GUARD,
    name: 'a page of another port of this host makes the page compute',
    find: 'origin === `http://${host}`',
    replace: "new URL(origin === 'null' ? 'http://null' : origin).hostname === host?.split(':')[0]",
  },
  {
    ...GUARD,
    name: 'a rejected request still makes the page compute',
    find: 'if (isOwn)\n            this.#source.look();',
    replace: 'this.#source.look();',
  },
  {
    ...GUARD,
    file: 'reporting/page/page-files.js',
    name: 'the page may run any script',
    find: "script-src 'self' ${hashOf(IMPORT_MAP)};",
    replace: "script-src 'self' 'unsafe-inline';",
  },
  {
    ...GUARD,
    file: 'metrics/serve-metrics.js',
    name: 'a foreign name that resolves to this machine is served',
    find: 'if (isLoopback(host) && !isOfThisMachine(request))',
    replace: 'if (false)',
  },
  {
    ...LIMITS,
    tests: ['unit/reporting/serve-page / number of viewers'],
    name: 'one viewer more than allowed is accepted',
    find: 'this.viewers >=',
    replace: 'this.viewers >',
  },
  {
    ...LIMITS,
    tests: ['unit/reporting/serve-page / does not read'],
    isCaughtByLimit: true,
    name: 'a viewer that does not read is kept for ever',
    find: 'viewer.destroy();',
    replace: ';',
  },
  {
    ...HISTORY,
    name: 'a reconnecting viewer gets its last event again',
    find: 'number > seen',
    replace: 'number >= seen',
  },
  {
    ...HISTORY,
    name: 'an event id of another server is accepted',
    find: 'if (id?.startsWith(prefix) !== true || ',
    replace: 'if (id === undefined || ',
  },
  {
    ...SERVER,
    tests: ['unit/metrics/metrics'],
    name: 'concurrent scrapes count as a regular scraper',
    find: 'if (sinceMs > MIN_INTERVAL_MS)',
    replace: 'if (true)',
  },
  {
    ...SERVER,
    tests: ['unit/metrics/metrics'],
    name: 'a run that is over is ready',
    find: 'sendState(response, notReady());',
    replace: 'sendState(response, undefined);',
  },
  {
    file: 'reporting/page/inspection.js',
    tests: ['unit/reporting/serve-page', 'unit/tensorflow/inspect-model'],
    name: 'kernels on the page are not scaled to their largest value',
    find: 'Math.round((127 * value) / (largest || 1))',
    replace: 'Math.round(127 * value)',
  },
]
