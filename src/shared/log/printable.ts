/**
 * Characters that control a terminal or are invisible: C0, DEL, C1, line separators, bidirectional controls, lone surrogates, and
 * characters without a glyph (zero-width spaces, fillers, tags: `Default_Ignorable_Code_Point`).
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu

/** Variation selectors and joiners that are part of an emoji, or of a word in Persian, Hindi and other languages. */
const IN_PLACE =
  /(?<=\p{Extended_Pictographic}|[0-9#*])\ufe0f|(?<![\u0300-\u036f])(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{M}\p{Script=Arabic}])[\u200c\u200d](?=[\p{L}\p{Extended_Pictographic}])/gu

/** Makes a text one printable line: replaces unprintable characters by `\u001b` and the like. JSON text stays JSON with the same content. */
export function printable(text: string): string {
  const kept = new Set(Array.from(text.matchAll(IN_PLACE), ({ index }) => index))
  return text.replace(UNPRINTABLE, (character, index: number) => (kept.has(index) ? character : escaped(character)))
}

/** As {@link printable}, but keeps the line breaks. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** JSON's escape: two for a character beyond 16 bits. */
function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
