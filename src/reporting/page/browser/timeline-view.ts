import type { Participation, Snapshot, TimelineLine } from '../page-state.js'
import { byId, element } from './dom.js'
import { clock, counted, duration } from './format.js'
import { isOver } from './result-view.js'

/** Limit on shown workers: the latest ones. */
const MAX_ROWS = 32

/** When each worker took part, with its faults. */
export function showTimeline(run: Snapshot): void {
  const { lines, header, status, points, members } = run
  if (header === undefined) return
  const start = header.startedSeconds
  const end = Math.max(
    (status?.end ? Date.parse(status.end.at) / 1000 : status?.timeSeconds) ?? 0,
    points.at(-1)?.timeSeconds ?? 0,
    lines.at(-1)?.timeSeconds ?? 0,
    start + 1,
  )
  const place = (seconds: number): string => `${(100 * (seconds - start)) / (end - start)}%`
  const faults = lines.filter(({ kind }) => kind === 'fault')
  const rows = members.slice(-MAX_ROWS).map((member) =>
    row(
      member,
      faults.filter(({ workerId }) => workerId === member.id),
      { start, end, isEnded: isOver(run) },
      place,
    ),
  )
  const others = faults.filter(({ workerId }) => !members.some(({ id }) => id === workerId))
  if (others.length > 0)
    rows.push(line('the run', counted(others.length, 'event'), ...others.map((fault) => mark(fault, place))))
  const hidden = members.length - MAX_ROWS
  byId('timeline').replaceChildren(
    element('ul', {}, ...rows),
    element(
      'p',
      { class: 'axis', 'aria-hidden': 'true' },
      element('span', {}, clock(start)),
      element('span', {}, clock(end, start)),
    ),
    ...(hidden > 0 ? [element('p', { class: 'hint' }, `and ${counted(hidden, 'worker')} before these`)] : []),
  )
}

/** Start and end of the run, seconds since 1970. */
interface Span {
  readonly start: number
  readonly end: number
  readonly isEnded: boolean
}

function row(
  { name, joinedSeconds, leftSeconds }: Participation,
  faults: readonly TimelineLine[],
  { start, end, isEnded }: Span,
  place: (seconds: number) => string,
): HTMLElement {
  const presence = element('span', { class: leftSeconds === undefined ? 'present' : 'present gone' })
  presence.style.left = place(joinedSeconds)
  presence.style.right = `calc(100% - ${place(leftSeconds ?? end)})`
  const stay = duration((leftSeconds ?? end) - joinedSeconds)
  const ended =
    leftSeconds === undefined ? (isEnded ? 'stayed to the end' : 'takes part') : `left at ${clock(leftSeconds, start)}`
  const wrong = faults.length === 0 ? '' : `, ${counted(faults.length, 'fault')}`
  const label = `joined at ${clock(joinedSeconds, start)}, ${ended}, ${stay} in all${wrong}`
  presence.title = `${name} ${label}`
  return line(name, label, presence, ...faults.map((fault) => mark(fault, place)))
}

function line(name: string, label: string, ...marks: HTMLElement[]): HTMLElement {
  return element(
    'li',
    {},
    element('bdi', { class: 'name' }, name),
    element('span', { class: 'unseen' }, label),
    element('div', { class: 'track', 'aria-hidden': 'true' }, ...marks),
  )
}

function mark({ timeSeconds, text }: TimelineLine, place: (seconds: number) => string): HTMLElement {
  const made = element('i', { title: `${clock(timeSeconds)} ${text}` })
  made.style.left = place(timeSeconds)
  return made
}
