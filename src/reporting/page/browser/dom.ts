type Child = Node | string

/** The element of the page with this id. @throws Error when there is none */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`The page has no #${id}.`)
  return found
}

/** Writes a text that screen readers read out: only when it is another one. */
export function say(id: string, text: string): void {
  const place = byId(id)
  if (place.textContent !== text) place.textContent = text
}

/** A new element. Text stays text: nothing that a worker calls itself becomes markup. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

/** A bar that is filled so far, with its name and value before it. @param share 0 to 1 */
export function bar(name: string, value: string, share: number, kind = ''): HTMLElement {
  const fill = element('span')
  fill.style.width = `${100 * share}%`
  return element(
    'div',
    { class: `measure ${kind}` },
    element('bdi', {}, name),
    element('span', {}, value),
    element('div', { class: 'bar', 'aria-hidden': 'true' }, fill),
  )
}

export interface Column<Row> {
  readonly title: string
  /** What the title means. */
  readonly hint?: string
  readonly of: (row: Row) => string
  /** Its class: how good the value is, or `words`. */
  readonly style?: (row: Row) => string
}

/** A table; the first column names the rows. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): HTMLTableElement {
  const head = columns.map(({ title, hint, style }, index) =>
    element(
      'th',
      {
        scope: 'col',
        ...(hint !== undefined && { title: hint }),
        ...((index === 0 || style?.(rows[0]!).includes('words')) && { class: 'words' }),
      },
      title,
    ),
  )
  const lines = rows.map((row) =>
    element(
      'tr',
      {},
      ...columns.map(({ of, style }, index) => {
        const attributes: Record<string, string> = { ...(style && { class: style(row) }) }
        return index === 0
          ? element('th', { ...attributes, scope: 'row', title: of(row) }, of(row))
          : element('td', attributes, of(row))
      }),
    ),
  )
  return element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...lines))
}
