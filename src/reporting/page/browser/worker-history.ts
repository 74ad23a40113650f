import type { Participation, PageWorker, Snapshot } from '../page-state.js'
import type { Column } from './dom.js'
import { byId, element, table } from './dom.js'
import { NOT_RECORDED } from './facts.js'
import { clock, count, duration, share } from './format.js'
import { isOver } from './result-view.js'

/** The workers of a finished run or of a report, including those that left before its end. */
export function showWorkerHistory(run: Snapshot): void {
  const { header, members, status, points } = run
  if (members.length === 0) {
    byId('workers').replaceChildren(element('p', {}, 'No worker took part.'))
    return
  }
  const start = header?.startedSeconds
  const end = status?.end ? Date.parse(status.end.at) / 1000 : (status?.timeSeconds ?? 0)
  const present = new Map(status?.workers.map((worker) => [worker.id, worker]))
  const samples = ({ id, samples: gone }: Participation): number | undefined => gone ?? present.get(id)?.samples
  const total = (points.at(-1)?.step ?? 0) * (header?.config.batchSize ?? 0)
  const shardSize = header?.config.shardSize ?? 1
  const areCounted = members.some((member) => samples(member) !== undefined)
  const columns: Column<Participation>[] = [
    { title: 'Worker', of: ({ name }) => name },
    {
      title: 'Hardware',
      of: ({ device, deviceKind }) => `${deviceKind.toUpperCase()}: ${device}`,
      style: () => 'words',
    },
    { title: 'Joined', of: ({ joinedSeconds }) => clock(joinedSeconds, start), style: () => 'words' },
    {
      title: 'Left',
      of: ({ leftSeconds }) =>
        leftSeconds !== undefined ? clock(leftSeconds, start) : isOver(run) ? 'at the end' : '',
      style: () => 'words',
    },
    {
      title: 'Took part for',
      of: ({ joinedSeconds, leftSeconds }) => duration((leftSeconds ?? end) - joinedSeconds),
    },
    areCounted
      ? {
          title: 'Training shards',
          hint: 'whose gradients counted',
          of: (member) => recorded(samples(member), (value) => count(value / shardSize)),
        }
      : {
          title: 'Shards',
          hint: 'computed, those of evaluations included',
          of: ({ id }) => recorded(present.get(id)?.shardsDone, count),
        },
    ...(areCounted && total > 0
      ? [
          {
            title: 'Share',
            hint: 'of all training images',
            of: (member: Participation) => recorded(samples(member), (value) => share(value / total)),
          },
        ]
      : []),
    {
      title: 'Time per shard',
      hint: 'relative to the fastest worker; of workers that stayed to the end',
      of: ({ id }) => slowness(present.get(id)),
    },
  ]
  byId('workers').replaceChildren(table(columns, members))
}

function recorded(value: number | undefined, of: (value: number) => string): string {
  return value === undefined ? NOT_RECORDED : of(value)
}

function slowness(worker: PageWorker | undefined): string {
  return worker?.stragglerRatio === undefined ? '' : `${worker.stragglerRatio.toFixed(2)}×`
}
