import CliTable from 'cli-table3'
import { printable } from './log/printable.js'

type Cell = string | number

/** A table for a terminal. Cells are made printable, so each is one line. */
export class Table {
  readonly #table: CliTable.Table

  /** @param compact without lines between the rows */
  constructor({ head = [], compact = false }: { readonly head?: readonly string[]; readonly compact?: boolean } = {}) {
    this.#table = new CliTable({ head: head.map(printable), style: { head: [], border: [], compact } })
  }

  /** Adds rows: cells, or a name with its value. */
  push(...rows: readonly (readonly Cell[] | Readonly<Record<string, Cell>>)[]): void {
    for (const row of rows) {
      const isCells = Array.isArray as (value: typeof row) => value is readonly Cell[]
      if (isCells(row)) this.#table.push(row.map(cell))
      else {
        for (const [name, value] of Object.entries(row)) this.#table.push([printable(name), cell(value)])
      }
    }
  }

  toString(): string {
    return this.#table.toString()
  }
}

function cell(value: Cell): Cell {
  return typeof value === 'string' ? printable(value) : value
}
