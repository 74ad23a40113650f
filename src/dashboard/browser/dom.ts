type Child = Node | string

/** The element of the page with this id. @throws Error when there is none */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`The page has no #${id}.`)
  return found
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

export interface Column<Row> {
  readonly title: string
  readonly of: (row: Row) => string
  /** Its class: how good the value is, or `words`. */
  readonly style?: (row: Row) => string
}

/** A table; the first column names the rows. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): HTMLTableElement {
  const head = element('tr', {}, ...columns.map(({ title }) => element('th', { scope: 'col' }, title)))
  const lines = rows.map((row) =>
    element(
      'tr',
      {},
      ...columns.map(({ of, style }, index) => {
        const attributes = { ...(style && { class: style(row) }), ...(index === 0 && { scope: 'row' }) }
        return element(index === 0 ? 'th' : 'td', attributes as Record<string, string>, of(row))
      }),
    ),
  )
  return element('table', {}, element('thead', {}, head), element('tbody', {}, ...lines))
}
