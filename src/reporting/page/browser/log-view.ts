import type { TimelineLine } from '../page-state.js'
import { byId, element } from './dom.js'
import { clock } from './format.js'

const STYLES: Readonly<Record<TimelineLine['kind'], string>> = { joined: 'good', left: 'bad', fault: 'warn', note: '' }

/** The events, the newest at the bottom. Stays scrolled to the bottom unless the user scrolls up. */
export class LogView {
  #shown: readonly TimelineLine[] = []

  /** @param since when the run began, seconds since 1970 */
  show(lines: readonly TimelineLine[], since: number | undefined): void {
    if (lines === this.#shown) return
    const log = byId('log')
    const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8
    const last = this.#shown.at(-1)
    // Lines are added at the end and dropped at the beginning, except in a new timeline.
    const known = last === undefined ? -1 : lines.lastIndexOf(last)
    const fresh = lines.slice(known + 1)
    const kept = known < 0 ? [] : [...log.children].slice(-(known + 1))
    log.replaceChildren(
      ...kept,
      ...fresh.map(({ timeSeconds, kind, text }) =>
        element('li', { class: STYLES[kind] }, element('time', {}, clock(timeSeconds, since)), ` ${text}`),
      ),
    )
    this.#shown = lines
    if (isAtEnd) log.scrollTop = log.scrollHeight
  }
}
