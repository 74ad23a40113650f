/**
 * What a terminal would obey, or a reader could not see: C0, DEL, C1, line separators, bidirectional controls, halves of
 * characters, and what Unicode shows as nothing (zero-width spaces, fillers, tags: `Default_Ignorable_Code_Point`).
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu

/** What looks unprintable, and is part of an emoji or of a word in Persian, Hindi and others: style selectors and joiners. */
const IN_PLACE =
  /(?<=\p{Extended_Pictographic}|[0-9#*])\ufe0f|(?<![\u0300-\u036f])(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{M}\p{Script=Arabic}])[\u200c\u200d](?=[\p{L}\p{Extended_Pictographic}])/gu

/** One line: `\u001b` and the like stand in place of what is not to be seen as it is. JSON text stays JSON with the same content. */
export function printable(text: string): string {
  const kept = new Set(Array.from(text.matchAll(IN_PLACE), ({ index }) => index))
  return text.replace(UNPRINTABLE, (character, index: number) => (kept.has(index) ? character : escaped(character)))
}

/** As {@link printable}, of a text whose lines are meant. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** As JSON has it: beyond 16 bits it is two. */
function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
