import type { Snapshot, StoryLine } from '../page-state.js'
import { byId, element } from './dom.js'
import { clock } from './format.js'

const STYLES: Readonly<Record<StoryLine['kind'], string>> = { joined: 'good', left: 'bad', fault: 'warn', note: '' }
/** Rows of the timeline, from above. */
const ROWS: readonly StoryLine['kind'][] = ['joined', 'left', 'fault']
const SVG = 'http://www.w3.org/2000/svg'

/** Joins, deaths and faults over time, and the log. */
export class LogView {
  #shown = 0
  #first: StoryLine | undefined

  show({ lines, header, status, points }: Snapshot): void {
    const log = byId('log')
    // A new snapshot, or lines that made room for newer ones.
    if (lines[0] !== this.#first || lines.length < this.#shown) {
      log.replaceChildren()
      this.#shown = 0
      this.#first = lines[0]
    }
    const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8
    for (const { timeSeconds, kind, text } of lines.slice(this.#shown))
      log.append(element('li', { class: STYLES[kind] }, element('time', {}, clock(timeSeconds)), ` ${text}`))
    this.#shown = lines.length
    if (isAtEnd) log.scrollTop = log.scrollHeight

    const start = header?.startedSeconds ?? lines[0]?.timeSeconds ?? 0
    const end = Math.max(status?.timeSeconds ?? 0, points.at(-1)?.timeSeconds ?? 0, lines.at(-1)?.timeSeconds ?? 0)
    this.#showTimeline(lines, start, end)
  }

  #showTimeline(lines: readonly StoryLine[], start: number, end: number): void {
    const svg = document.createElementNS(SVG, 'svg')
    svg.setAttribute('viewBox', '0 0 1000 48')
    svg.setAttribute('preserveAspectRatio', 'none')
    svg.setAttribute('role', 'img')
    const counts = ROWS.map((kind) => `${lines.filter((line) => line.kind === kind).length} ${kind}`)
    svg.setAttribute('aria-label', `Joins, departures and faults over the run: ${counts.join(', ')}`)
    for (const { kind, timeSeconds, text } of lines) {
      const row = ROWS.indexOf(kind)
      if (row < 0) continue
      const mark = document.createElementNS(SVG, 'rect')
      const x = (990 * (timeSeconds - start)) / Math.max(1, end - start)
      for (const [name, value] of Object.entries({ x, y: 2 + 15 * row, width: 4, height: 12, fill: 'currentColor' }))
        mark.setAttribute(name, `${value}`)
      mark.setAttribute('class', STYLES[kind])
      const title = document.createElementNS(SVG, 'title')
      title.textContent = `${clock(timeSeconds)} ${text}`
      mark.append(title)
      svg.append(mark)
    }
    byId('timeline').replaceChildren(svg)
  }
}
