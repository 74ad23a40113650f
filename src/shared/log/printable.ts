/** What moves a cursor, ends a line or turns the direction of writing: C0, DEL, C1, line separators, bidirectional controls. */
const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** The same text, with `\u001b` and the like in place of what a terminal would obey. JSON text stays JSON with the same content. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** As {@link printable}, of a text whose lines are meant. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}
