import type { PageWorker, RunStatus } from '../page-state.js'
import type { Column } from './dom.js'
import { byId, element, table } from './dom.js'
import { bytes, count, share } from './format.js'

const SLOW = 1.5
const VERY_SLOW = 2
const SILENT_SECONDS = 2
const BAD_STATES = ['suspect', 'quarantined']

/** Time over which rates are averaged. */
const RECENT_SECONDS = 5

/** Workers of a running run, with their rates of the last seconds. */
export class WorkerView {
  /** Samples of one run, the newest last. */
  #recent: { readonly run: string; readonly status: RunStatus }[] = []

  /** @param isLive whether the numbers are current; otherwise no rates are shown */
  show(run: string, status: RunStatus, isLive: boolean): void {
    if (status !== this.#recent.at(-1)?.status) this.#recent.push({ run, status })
    this.#recent = this.#recent.filter(
      (seen) => seen.run === run && status.timeSeconds - seen.status.timeSeconds <= RECENT_SECONDS,
    )
    const before = this.#recent[0]?.status
    const seconds = status.timeSeconds - (before?.timeSeconds ?? 0)
    const done = new Map(before?.workers.map(({ id, shardsDone }) => [id, shardsDone]))
    const rate = ({ id, shardsDone }: PageWorker): string => {
      const earlier = done.get(id)
      return earlier === undefined || seconds <= 0 ? '' : ((shardsDone - earlier) / seconds).toFixed(1)
    }
    const columns: Column<PageWorker>[] = [
      { title: 'Worker', of: ({ name }) => name },
      {
        title: 'State',
        of: ({ state }) => state,
        style: ({ state }) => `words ${BAD_STATES.includes(state) ? 'bad' : ''}`,
      },
      { title: 'Shards', hint: 'computed since it joined', of: ({ shardsDone }) => count(shardsDone) },
      ...(isLive ? [{ title: 'Shards/s', of: rate }] : []),
      {
        title: 'Straggler ratio',
        hint: 'time per shard, divided by that of the fastest worker',
        of: ({ stragglerRatio }) => (stragglerRatio === undefined ? '' : `${stragglerRatio.toFixed(2)}×`),
        style: ({ stragglerRatio = 1 }) => (stragglerRatio >= VERY_SLOW ? 'bad' : stragglerRatio >= SLOW ? 'warn' : ''),
      },
      { title: 'Memory', of: ({ residentBytes }) => bytes(residentBytes) },
      { title: 'Tensors', of: ({ tensors }) => count(tensors) },
      {
        title: 'Heard',
        hint: 'time since its last message',
        of: ({ heartbeatAgeSeconds }) => `${heartbeatAgeSeconds.toFixed(1)} s ago`,
        style: ({ heartbeatAgeSeconds }) => (heartbeatAgeSeconds > SILENT_SECONDS ? 'bad' : ''),
      },
      {
        title: 'GPU',
        of: ({ gpu: { utilization, memoryUsedBytes } = {} }) =>
          [
            ...(utilization === undefined ? [] : [share(utilization)]),
            ...(memoryUsedBytes === undefined ? [] : [bytes(memoryUsedBytes)]),
          ].join(', '),
      },
      { title: 'Device', of: ({ device }) => device, style: () => 'words' },
    ]
    const hasGpu = status.workers.some(({ gpu }) => gpu !== undefined)
    byId('workers').replaceChildren(
      status.workers.length === 0
        ? element('p', {}, 'No worker takes part.')
        : table(
            columns.filter(({ title }) => title !== 'GPU' || hasGpu),
            status.workers,
          ),
    )
    showTraffic(status, before?.traffic ?? [], seconds, isLive)
  }
}

/** Bytes between coordinator and workers. @param isLive whether a rate of the last seconds makes sense */
export function showTraffic(
  { traffic }: RunStatus,
  before: RunStatus['traffic'] = [],
  seconds = 0,
  isLive = false,
): void {
  const rows = traffic
    .filter((row) => row.bytes > 0)
    .map((row) => {
      const earlier = before.find(
        ({ kind, direction, path }) => kind === row.kind && direction === row.direction && path === row.path,
      )
      return { ...row, perSecond: seconds > 0 ? (row.bytes - (earlier?.bytes ?? 0)) / seconds : 0 }
    })
  byId('traffic-title').hidden = rows.length === 0
  if (rows.length === 0) return
  byId('traffic').replaceChildren(
    table(
      [
        { title: 'What', of: ({ kind, direction }) => `${kind} ${direction}` },
        {
          title: 'Through',
          of: ({ path }) => (path === 'memory' ? 'shared memory' : 'the network'),
          style: () => 'words',
        },
        ...(isLive ? [{ title: 'Now', of: ({ perSecond }: (typeof rows)[number]) => `${bytes(perSecond)}/s` }] : []),
        { title: 'Total', of: ({ bytes: all }) => bytes(all) },
      ],
      rows,
    ),
  )
}
