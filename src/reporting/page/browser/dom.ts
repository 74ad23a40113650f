type Child = Node | string

/** The element of the page with this id. @throws Error when there is none */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`The page has no #${id}.`)
  return found
}

/** Sets a text that screen readers announce, only if it changed. */
export function setStatus(id: string, text: string): void {
  const place = byId(id)
  if (place.textContent !== text) place.textContent = text
}

/** A new element. Texts, such as names of workers, never become markup. */
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

/** A bar, with its name and value before it. @param share filled part, 0 to 1 */
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
  /** Explanation of the title. */
  readonly hint?: string
  readonly of: (row: Row) => string
  /** CSS class of the cell: rating of the value, or `words`. */
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
